// Elements by id, by selector and from the page's templates, of the kind the caller says or not at all.
// It knows nothing of what they are for.

/**
 * @template {Element} T
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => T} kind
 * @returns {T}
 */
export function find(root, selector, kind) {
  const element = root.querySelector(selector);
  if (element instanceof kind) return element;
  throw new Error(`the page has no ${kind.name} at ${selector}`);
}

/**
 * The one element of a copy of the template.
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
export function stamp(id, kind) {
  const copy = find(document, `#${id}`, HTMLTemplateElement).content.firstElementChild?.cloneNode(true);
  if (copy instanceof kind) return copy;
  throw new Error(`the template ${id} holds no ${kind.name}`);
}
