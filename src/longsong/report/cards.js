// Cards of runs that are not seen are not laid out, and have the height that they had. One in which something was opened has
// another, and is laid out from then on.
document.addEventListener("toggle", (event) => event.target.closest(".run")?.classList.add("opened"), true);
