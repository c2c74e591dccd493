// Draws every figure with the style sheet's colours ("@ours", "@s3/0.5"), and again when light and dark change places.
const figures = JSON.parse(document.getElementById("figures").textContent);
const settings = { displayModeBar: false, responsive: true };

function color(name) {
  const [token, opacity] = name.slice(1).split("/");
  const hex = getComputedStyle(document.documentElement).getPropertyValue("--" + token).trim();
  if (!opacity) return hex;
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  return `rgba(${r},${g},${b},${opacity})`;
}

function paint(value) {
  if (typeof value === "string") return /^@[a-z][a-z0-9]*(\/[0-9.]+)?$/.test(value) ? color(value) : value;
  if (Array.isArray(value)) return value.map(paint);
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, paint(one)]));
  }
  return value;
}

function draw() {
  for (const [id, figure] of Object.entries(figures)) {
    const { data, layout } = paint(figure);
    Plotly.react(id, data, layout, settings);
  }
}

draw();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
