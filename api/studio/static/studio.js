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
      const state = box.querySelector("[data-state]");
      state.textContent = state.dataset[job.state] ?? state.textContent;
      if (["done", "failed", "cancelled"].includes(job.state)) {
        source.close();
        location.reload();
      }
    };
    for (const name of ["progress", "done", "failed", "cancelled"]) source.addEventListener(name, show);
    window.addEventListener("pagehide", () => source.close());
  },

  // A choice that acts when it is settled: by Enter, a choice from the open list, or as the focus leaves it. Arrow keys on
  // the closed list change it step by step, and each step would ask for another page.
  settled(select) {
    let last = select.value, byKey = false;
    const settle = () => {
      byKey = false;
      if (select.value === last) return;
      last = select.value;
      select.dispatchEvent(new Event("settled", { bubbles: true }));
    };
    select.addEventListener("keydown", (event) => {
      byKey = event.key !== "Enter";
      if (!byKey) settle();
    });
    select.addEventListener("pointerdown", () => { byKey = false; });
    select.addEventListener("change", () => { if (!byKey) settle(); });
    select.addEventListener("blur", settle);
  },

  // A form of which a change is answered in another element, before it is sent: what it would take.
  live(form) {
    const target = document.getElementById(form.dataset.liveTarget);
    let timer, asking;
    const ask = async () => {
      asking?.abort();
      asking = new AbortController();
      try {
        const answer = await fetch(form.dataset.live, { method: "POST", body: new FormData(form), signal: asking.signal });
        if (!answer.ok) return;
        target.innerHTML = await answer.text();
        attachAll(target);
      } catch (error) {
        if (error.name !== "AbortError") throw error;
      }
    };
    form.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(ask, 300);
    });
  },

  // A form whose changes show the page anew: the parts with one name are replaced, once their pictures are there. Only
  // the newest change is asked for; those that come while one is on its way wait as one.
  preview(form) {
    let next = null, busy = false;
    const change = async (submitter) => {
      next = `${form.action}?${new URLSearchParams(new FormData(form, submitter))}`;
      if (busy) return;
      busy = true;
      while (next) {
        const address = next;
        next = null;
        try {
          await show(address);
        } catch {  // a service that is busy or restarts; a newer change matters more
          await new Promise((wait) => { setTimeout(wait, 1000); });
          next ??= address;
        }
      }
      busy = false;
    };
    const show = async (address) => {
      const answer = await fetch(address);
      if ([429, 503].includes(answer.status)) throw new Error(answer.statusText);
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const form2 = page.querySelector("[data-preview]");
      if (!form2) { location.reload(); return; }  // the session has ended
      await Promise.all([...page.querySelectorAll("[data-part] img")].map((one) => {
        const picture = new Image();
        picture.src = one.getAttribute("src");
        return picture.decode();
      }));
      for (const part of page.querySelectorAll("[data-part]")) {
        document.querySelector(`[data-part="${part.dataset.part}"]`)?.replaceWith(part);
      }
      for (const control of form.elements) {
        const now = form2.elements[control.name];
        if (!now?.getAttribute) continue;
        const words = now.getAttribute("aria-valuetext");
        if (words) control.setAttribute("aria-valuetext", words);
        if (!next && control.type === "number") control.value = now.value;
      }
      history.replaceState(null, "", answer.url);
    };
    form.addEventListener("input", (event) => { if (!event.target.matches("[data-settled]")) change(); });
    form.addEventListener("settled", () => change());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      change(event.submitter);
    });
  },

  // A part of the page whose pictures on top are as opaque as a slider says, in percent.
  opacity(box) {
    const control = document.getElementById(box.dataset.opacity);
    const show = () => box.style.setProperty("--opacity", control.value / 100);
    control.addEventListener("input", show);
    show();
  },

  // A choice that opens the page anew, with the chosen value at the end of its address.
  reload(select) {
    select.addEventListener("settled", () => location.assign(select.dataset.reload + encodeURIComponent(select.value)));
  },

  // A moment, in the time zone of the reader; the page has it in UTC.
  local(time) {
    const format = new Intl.DateTimeFormat("en-CA", { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit",
      minute: "2-digit", hourCycle: "h23", timeZoneName: "short" });
    const parts = Object.fromEntries(format.formatToParts(new Date(time.dateTime)).map((one) => [one.type, one.value]));
    time.textContent = `${parts.year}-${parts.month}-${parts.day} ${parts.hour}:${parts.minute} ${parts.timeZoneName}`;
  },

  // A button that copies the text of an element.
  copy(button) {
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      const label = button.textContent;
      button.textContent = button.dataset.copied ?? label;
      setTimeout(() => { button.textContent = label; }, 2000);
    });
  },

  // A choice of a file, which is refused before it is sent if it is too large.
  largest(input) {
    input.addEventListener("change", () => {
      const tooLarge = input.files[0]?.size > Number(input.dataset.largest);
      input.setCustomValidity(tooLarge ? input.dataset.tooLarge : "");
      input.reportValidity();
    });
  },

  // A button that prints the page.
  print(button) {
    button.addEventListener("click", () => window.print());
  },
};

function attachAll(root) {
  for (const [name, attach] of Object.entries(behaviours)) {
    const attribute = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    root.querySelectorAll(`[data-${attribute}]`).forEach(attach);
  }
}

attachAll(document);
