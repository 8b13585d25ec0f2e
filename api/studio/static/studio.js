// What pages do beyond plain forms. Each behaviour is attached to elements with its data attribute, and every page works
// without it.

const behaviours = {
  // An output that shows the value of a slider, or of another control, while it is changed.
  outputOf(output) {
    const control = document.getElementById(output.dataset.outputOf);
    const show = () => { output.value = control.value; };
    control.addEventListener("input", show);
    show();
  },

  // Progress of a job from its server-sent events; the page is loaded anew when the job has ended.
  events(box) {
    const bar = box.querySelector("progress");
    const source = new EventSource(box.dataset.events);
    const show = (event) => {
      const job = JSON.parse(event.data);
      bar.max = Math.max(job.total ?? 1, 1);
      bar.value = job.done ?? 0;
      box.querySelector("[data-done]").textContent = (job.done ?? 0).toLocaleString();
      box.querySelector("[data-state]").textContent = job.state;
      if (["done", "failed", "cancelled"].includes(job.state)) {
        source.close();
        location.reload();
      }
    };
    for (const name of ["progress", "done", "failed", "cancelled"]) source.addEventListener(name, show);
    window.addEventListener("pagehide", () => source.close());
  },

  // A button that copies the text of an element.
  copy(button) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      const label = button.textContent;
      button.textContent = button.dataset.copied ?? label;
      setTimeout(() => { button.textContent = label; }, 2000);
    });
  },

  // A button that prints the page.
  print(button) {
    button.hidden = false;
    button.addEventListener("click", () => window.print());
  },
};

for (const [name, attach] of Object.entries(behaviours)) {
  const attribute = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  document.querySelectorAll(`[data-${attribute}]`).forEach(attach);
}
