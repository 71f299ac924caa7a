/** Makes Enter send the form of a text area; Shift and Enter begin a new line. */
export function sendOnEnter(input: HTMLTextAreaElement): void {
  input.onkeydown = (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    input.form?.requestSubmit();
  };
}
