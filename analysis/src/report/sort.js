// Sorts a table by the column whose heading is pressed. Without this the page lacks nothing else.
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0], headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach(other => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = row => {
        const cell = row.cells[column], value = cell?.dataset.value;
        return value === undefined ? cell?.classList.contains("number") ? null : cell?.textContent ?? "" : +value;
      };
      const order = (a, b) => a === null || b === null ? (a === null) - (b === null)
        : (down ? -1 : 1) * (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)));
      body.append(...[...body.rows].sort((a, b) => order(key(a), key(b))));
    });
  });
}
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(it => { it.open = true; }));
