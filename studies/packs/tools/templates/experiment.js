// Experiment of a study of faces, for jsPsych 7.3 or 8. Each participant opens index.html, or
// index.html?participant=CODE, and gets a file of answers at the end: answers-CODE.json.
"use strict";

const byId = (id) => document.getElementById(id);

function escapeHtml(text) {
  const element = document.createElement("span");
  element.textContent = text;
  return element.innerHTML;
}

function loadImage(code) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = resolve;
    image.onerror = () => reject(new Error(`images/${code}.png cannot be loaded`));
    image.src = `images/${code}.png`;
  });
}

// One trial for the answer to an image, and one for the confidence. Both fill the image's entry in `answers`.
function makeTrials(images, answers) {
  const trials = [];
  images.forEach((image, index) => {
    const stimulus = `<img class="face" src="images/${image}.png" alt="">`;
    const progress = `<p class="progress">${index + 1} / ${images.length}</p>`;
    trials.push({
      type: jsPsychHtmlButtonResponse,
      stimulus,
      prompt: `<p>${escapeHtml(study.question)}</p>${progress}`,
      choices: study.options.map(escapeHtml),
      on_finish: (data) => {
        answers.push({ image, order: index + 1, answer: study.options[data.response], rt: data.rt });
      },
    });
    if (study.confidenceQuestion !== null) {
      trials.push({
        type: jsPsychHtmlButtonResponse,
        stimulus,
        prompt: `<p>${escapeHtml(study.confidenceQuestion)}</p>${progress}`,
        choices: study.confidenceLevels,
        on_finish: (data) => {
          answers[index].confidence = Number(study.confidenceLevels[data.response]);
        },
      });
    }
  });
  return trials;
}

function downloadAnswers(name, result) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(result, null, 1)], { type: "application/json" }));
  link.download = name;
  link.textContent = `Save ${name} again`;
  document.body.replaceChildren("Thank you. Please send the saved file to the people who run the study. ", link);
  link.click();
}

async function runStudy(participant) {
  const { version, images } = study.participants[participant];
  await Promise.all(images.map(loadImage));
  byId("start").remove();
  const started = new Date().toISOString();
  const answers = [];
  const jsPsych = initJsPsych();
  await jsPsych.run(makeTrials(images, answers));
  const result = { participant, version, started, finished: true, jspsych: jsPsych.version(), trials: answers };
  downloadAnswers(`answers-${participant}.json`, result);
}

function start(code) {
  const participant = code.trim().toUpperCase();
  if (missingFiles.length > 0) {
    byId("message").textContent =
      `jsPsych is not complete. Copy from its release into the folder jspsych/: ${missingFiles.join(", ")}`;
  } else if (!Object.hasOwn(study.participants, participant)) {
    byId("message").textContent = `${code} is no code of this study. Please check it.`;
  } else {
    runStudy(participant).catch((error) => {
      byId("message").textContent = `${error.message}. Please tell the people who run the study.`;
    });
  }
}

byId("notice").textContent = study.notice;
byId("code-form").addEventListener("submit", (event) => {
  event.preventDefault();
  start(byId("code").value);
});
const given = new URLSearchParams(window.location.search).get("participant");
if (given !== null || missingFiles.length > 0) {
  start(given ?? "");
}
