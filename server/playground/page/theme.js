// Light, dark, or as the system has it: chosen in the header, remembered, and in force before the first paint.
// It knows nothing of the page but the select; styles read data-theme, the heat-maps hear "themechange".

{
  const KEY = "molora.theme";
  const root = document.documentElement;

  const remembered = () => {
    try {
      return localStorage.getItem(KEY) ?? "auto";
    } catch {
      // Storage is closed to this page: the choice lasts as long as the page
      return "auto";
    }
  };

  /** @param {string} theme */
  const remember = (theme) => {
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // As above
    }
  };

  root.dataset.theme = remembered();

  const announce = () => document.dispatchEvent(new Event("themechange"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", announce);

  document.addEventListener("DOMContentLoaded", () => {
    const select = /** @type {HTMLSelectElement} */ (document.getElementById("theme"));
    select.value = root.dataset.theme ?? "auto";
    select.addEventListener("change", () => {
      root.dataset.theme = select.value;
      remember(select.value);
      announce();
    });
  });
}
