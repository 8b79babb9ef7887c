// The choice that the application keeps; without one, what the system prefers.
const choice = localStorage.getItem("theme");
const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
document.documentElement.classList.add(choice === "dark" || choice === "light" ? choice : system);
