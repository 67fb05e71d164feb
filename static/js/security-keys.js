// Lets a security key answer: a form with `data-key` holds what to ask it for, its hidden field takes the answer.

const call = { add: "create", prove: "get" };

for (const form of document.querySelectorAll("form[data-key]")) {
  const note = form.querySelector("[data-key-note]");
  const say = (text) => { note.textContent = text; note.hidden = false; };
  if (!window.PublicKeyCredential?.parseRequestOptionsFromJSON) {
    say(form.dataset.cannot);
    form.querySelector("[type=submit]").disabled = true;
    continue;
  }
  form.addEventListener("submit", async (event) => {
    if (form.elements.answer.value) return;
    event.preventDefault();
    note.hidden = true;
    const asked = JSON.parse(form.dataset.options);
    const publicKey = form.dataset.key === "add"
      ? PublicKeyCredential.parseCreationOptionsFromJSON(asked)
      : PublicKeyCredential.parseRequestOptionsFromJSON(asked);
    try {
      const found = await navigator.credentials[call[form.dataset.key]]({ publicKey });
      form.elements.answer.value = JSON.stringify(found.toJSON());
      form.submit();
    } catch (error) {
      say(error.name === "InvalidStateError" ? form.dataset.known : form.dataset.failed);
    }
  });
}
