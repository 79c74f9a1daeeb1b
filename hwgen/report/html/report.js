// Filters rows by what is typed, and opens a layer's mapping. Sorting is sortable-tablesort's.
document.addEventListener("input", function (event) {
  if (!event.target.matches(".filter")) return;
  const wanted = event.target.value.toLowerCase();
  for (const row of document.getElementById(event.target.dataset.table).tBodies[0].rows)
    row.hidden = !row.textContent.toLowerCase().includes(wanted);
});

document.addEventListener("click", function (event) {
  const button = event.target.closest("[data-opens]");
  if (button) document.getElementById(button.dataset.opens).showModal();
  else if (event.target.matches("dialog")) event.target.close();    // beside its contents
});
