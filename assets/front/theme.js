// The choice that the application keeps; without one, the style sheet follows the system.
const choice = localStorage.getItem("theme");
if (choice === "dark" || choice === "light") {
  document.documentElement.dataset.theme = choice;
}
