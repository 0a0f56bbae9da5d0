// Tables of class "sortable" are sorted by a click on the head of a column; without this they stay in their order.
(() => {
  const units = {KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40, ns: 1e-9, us: 1e-6, "µs": 1e-6, ms: 1e-3, min: 60, h: 3600};
  const key = (row, column) => {
    const text = row.cells[column] ? row.cells[column].textContent.trim() : "";
    const found = text.replace(/[\u202f\u00a0]/g, "").replace("−", "-").replace("<", "").match(/^[+]?(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?) ?([A-Za-zµ]*)/);
    return found ? [0, parseFloat(found[1]) * (units[found[2]] || 1), text] : [text === "–" || text === "" ? 2 : 1, 0, text];
  };
  document.querySelectorAll("table.sortable").forEach((table) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const sort = () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...table.tBodies[0].rows].map((row, place) => [key(row, column), place, row]);
        rows.sort(([a, p], [b, q]) => {
          if (a[0] === 2 || b[0] === 2) return a[0] - b[0] || p - q;
          const order = a[0] - b[0] || a[1] - b[1] || a[2].localeCompare(b[2]);
          return (down ? -order : order) || p - q;
        });
        table.tBodies[0].append(...rows.map((item) => item[2]));
      };
      head.tabIndex = 0;
      head.addEventListener("click", sort);
      head.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(); }
      });
    });
    table.classList.add("sorts");
  });
})();
