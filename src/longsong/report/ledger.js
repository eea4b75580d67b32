// The claims, by verdict: the buttons of #ledger-filter, and the counts at the head of the page, show those of one verdict.
(() => {
  "use strict";
  const filter = document.getElementById("ledger-filter");
  const buttons = [...filter.querySelectorAll("button")];
  const rows = [...document.querySelectorAll(".ledger tr[data-verdict]")];

  function show(verdict) {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.verdict === verdict));
    for (const row of rows) row.hidden = verdict !== "" && row.dataset.verdict !== verdict;
    for (const group of document.querySelectorAll(".ledger tr.group")) {
      group.hidden = [...group.parentElement.querySelectorAll("tr[data-verdict]")].every((row) => row.hidden);
    }
    const left = rows.filter((row) => !row.hidden).length;
    document.getElementById("ledger-said").textContent = verdict ? `${left} of ${rows.length} claims` : "";
  }

  // A link to a claim leads there, whatever is shown.
  function uncover() {
    const row = rows.find((one) => `#${one.id}` === location.hash);
    if (row?.hidden) {
      show("");
      row.scrollIntoView();
    }
  }

  for (const button of buttons) button.addEventListener("click", () => show(button.dataset.verdict));
  for (const link of document.querySelectorAll(".counts a")) link.addEventListener("click", () => show(link.dataset.verdict));
  window.addEventListener("hashchange", uncover);
  filter.hidden = false;
})();
