/** The one element for a selector. Throws where the page lacks it. */
export function find<T extends Element = HTMLElement>(selector: string, root: ParentNode = document): T {
  const found = root.querySelector<T>(selector);
  if (found === null) throw new Error(`Cannot show the page as it has no "${selector}"`);
  return found;
}
