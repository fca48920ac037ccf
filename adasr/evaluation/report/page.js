"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const make = (tag, text, attributes = {}) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};
document.documentElement.classList.add("js");

/* The metric: one choice for the whole page. */
let metric = 0;
const onMetric = [];
function chooseMetric(index) {
  metric = index;
  for (const part of document.querySelectorAll(".metric")) part.hidden = Number(part.dataset.metric) !== index;
  for (const act of onMetric) act();
}
if ($("metric")) {
  $("metric").hidden = false;
  $("metric").addEventListener("change", (event) => chooseMetric(Number(event.target.value)));
}

/* Sorting. What has no number comes last in both directions. */
function compare(a, b, down) {
  const lacks = (v) => v === "" || v === null || v === undefined;
  if (lacks(a) || lacks(b)) return lacks(a) - lacks(b);
  const [x, y] = [Number(a), Number(b)];
  const order = Number.isNaN(x) || Number.isNaN(y)
    ? String(a).localeCompare(String(b), undefined, { numeric: true }) : x - y;
  return down ? -order : order;
}
function turn(header) {
  const row = header.parentElement;
  const down = header.getAttribute("aria-sort") === "none"
    ? header.dataset.first === "down" : header.getAttribute("aria-sort") === "ascending";
  for (const other of row.children) if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
  header.setAttribute("aria-sort", down ? "descending" : "ascending");
  return down;
}
for (const table of document.querySelectorAll("table.sortable")) {
  const value = (cell) => cell.dataset[table.dataset.show] ?? cell.dataset.v ?? "";
  table.tHead.addEventListener("click", (event) => {
    const header = event.target.closest("button")?.parentElement;
    if (!header) return;
    const down = turn(header);
    const rows = [...table.tBodies[0].rows];
    const total = (row) => row.classList.contains("total");
    rows.sort((a, b) => total(a) - total(b) || compare(value(a.cells[header.cellIndex]), value(b.cells[header.cellIndex]), down));
    table.tBodies[0].append(...rows);
  });
}
for (const heat of document.querySelectorAll(".heat")) {
  heat.addEventListener("change", (event) => { heat.querySelector("table").dataset.show = event.target.value; });
}

/* Scores: data.scores[metric][model][image * recipes + recipe], null where there is none. */
const special = { inf: Infinity, "-inf": -Infinity, nan: NaN };
function score(m, model, image, recipe) {
  const found = data.scores[m][model][image * data.recipes.length + recipe];
  return typeof found === "string" ? special[found] : found;
}
function shown(value, m = metric) {
  if (value === null || value === undefined) return "–";
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  return value.toFixed(data.metrics[m].digits).replace("-", "−");
}
function bestOf(values, m = metric) {
  const known = values.filter((v) => v !== null && v !== undefined && !Number.isNaN(v));
  if (known.length < 2) return undefined;
  return data.metrics[m].higher ? Math.max(...known) : Math.min(...known);
}
const nameOf = (recipe) => recipe || "as it is";
const fill = (select, texts) => select.replaceChildren(...texts.map(([value, text]) => make("option", text, { value })));

/* Every image, some rows at a time. */
const PAGE = 60;
let order = { column: -1, down: false }, limit = PAGE;
function scoreRows() {
  const words = $("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  const [dataset, recipe] = [$("of-dataset").value, $("of-recipe").value];
  const rows = [];
  data.images.forEach(([set, name], i) => data.recipes.forEach((r, j) => {
    if ((dataset && set !== dataset) || (recipe !== "*" && r !== recipe)) return;
    const text = `${set} ${name} ${nameOf(r)}`.toLowerCase();
    if (!words.every((word) => text.includes(word))) return;
    const values = data.models.map((_, k) => score(metric, k, i, j));
    if (values.some((v) => v !== null)) rows.push({ heads: [name, set, nameOf(r)], recipe: r, values });
  }));
  if (order.column >= 0) {
    const key = (row) => {
      const value = [...row.heads, ...row.values][order.column];
      return Number.isNaN(value) ? null : value;
    };
    rows.sort((a, b) => compare(key(a), key(b), order.down));
  }
  return rows;
}
function showScores() {
  const rows = scoreRows();
  const lines = rows.slice(0, limit).map((row) => {
    const line = make("tr"), best = bestOf(row.values);
    line.append(make("th", row.heads[0], { scope: "row" }), make("td", row.heads[1], { class: "text" }));
    const recipe = make("td", row.heads[2], { class: "text" });
    const at = data.pictures.findIndex((p) => p.dataset === row.heads[1] && p.name === row.heads[0] && p.recipe === row.recipe);
    if (at >= 0) {
      const button = make("button", "view", { type: "button", "aria-label": `View ${row.heads[0]}, ${row.heads[2]}` });
      button.addEventListener("click", () => { showPicture(at); $("pictures").scrollIntoView(); });
      recipe.append(" ", button);
    }
    line.append(recipe);
    for (const value of row.values) line.append(make("td", shown(value), value === best ? { class: "best" } : {}));
    return line;
  });
  $("score-table").tBodies[0].replaceChildren(...lines);
  $("count").textContent = `${Math.min(limit, rows.length)} of ${rows.length} rows`;
  $("more").hidden = rows.length <= limit;
}
function startScores() {
  const head = make("tr");
  [...["Image", "Dataset", "Degradation"], ...data.models].forEach((text, i) => {
    const cell = make("th", undefined, { scope: "col", "aria-sort": "none" });
    cell.append(make("button", text, { type: "button" }));
    if (i > 2) cell.dataset.first = "down";
    else cell.className = "text";
    cell.addEventListener("click", (event) => {
      if (!event.target.closest("button")) return;
      order = { column: i, down: turn(cell) };
      showScores();
    });
    head.append(cell);
  });
  $("score-table").tHead.append(head);
  const datasets = [...new Set(data.images.map(([set]) => set))];
  fill($("of-dataset"), [["", "all"], ...datasets.map((d) => [d, d])]);
  fill($("of-recipe"), [["*", "all"], ...data.recipes.map((r) => [r, nameOf(r)])]);
  for (const id of ["find", "of-dataset", "of-recipe"]) $(id).addEventListener("input", () => { limit = PAGE; showScores(); });
  $("more").addEventListener("click", () => { limit += 5 * PAGE; showScores(); });
  onMetric.push(showScores);
  $("scores").hidden = false;
  showScores();
}

/* Pictures: a divider between two versions, all of them enlarged and moved together. */
const view = { at: 0, left: "", right: "", x: 0, y: 0, z: 1, split: 50 };
const key = (version) => `${version.kind}:${version.label}`;
const current = () => data.pictures[view.at];
const place = (p) => JSON.stringify([p.dataset, p.name]);
function draw() {
  const stage = $("stage");
  view.z = Math.min(Math.max(view.z, 1), 32);
  for (const axis of ["x", "y"]) view[axis] = Math.min(0, Math.max(view[axis], -100 * (view.z - 1)));
  for (const name of ["x", "y", "z"]) $("viewer").style.setProperty(`--${name}`, view[name]);
  stage.style.setProperty("--clip", `inset(0 ${100 - view.split}% 0 0)`);
  stage.classList.toggle("enlarged", view.z > 1);
  const factor = (view.z * stage.clientWidth) / current().width;
  $("viewer").classList.toggle("crisp", factor * devicePixelRatio >= 2);
  $("zoom").textContent = `${Math.round(100 * factor)} %`;
  $("handle").style.left = `${view.split}%`;
  $("handle").setAttribute("aria-valuenow", Math.round(view.split));
}
function zoomBy(factor, px = 50, py = 50) {
  const z = Math.min(Math.max(view.z * factor, 1), 32);
  view.x = px - ((px - view.x) * z) / view.z;
  view.y = py - ((py - view.y) * z) / view.z;
  view.z = z;
  draw();
}
function scoresOf(picture) {
  const image = data.images.findIndex(([set, name]) => set === picture.dataset && name === picture.name);
  const recipe = data.recipes.indexOf(picture.recipe);
  if (image < 0 || recipe < 0) return {};
  return Object.fromEntries(data.models.map((name, k) => [name, score(metric, k, image, recipe)]));
}
function showVersions() {
  const picture = current(), scores = scoresOf(picture), best = bestOf(Object.values(scores));
  const has = (wanted) => picture.versions.some((v) => key(v) === wanted);
  const last = picture.versions.filter((v) => v.kind === "sr");
  if (!has(view.left)) view.left = key(picture.versions.find((v) => v.label === "bicubic") ?? picture.versions[0]);
  if (!has(view.right)) view.right = key(last[last.length - 1] ?? picture.versions[picture.versions.length - 1]);
  const names = picture.versions.map((v) => [key(v), v.label]);
  for (const side of ["left", "right"]) { fill($(side), names); $(side).value = view[side]; }
  const source = (side) => picture.versions.find((v) => key(v) === view[side]);
  for (const [id, side] of [["over", "left"], ["under", "right"]]) {
    $(id).src = data.sources[source(side).image];
    $(id).alt = `${picture.name}, ${source(side).label}`;
    $(id).classList.toggle("crisp", source(side).kind === "lq");
    $(`tag-${side}`).textContent = source(side).label;
  }
  $("handle").setAttribute("aria-valuetext", `${source("left").label} left, ${source("right").label} right`);
  $("versions").replaceChildren(...picture.versions.map((version) => {
    const button = make("button", undefined, { type: "button", class: "version", "aria-pressed": [view.left, view.right].includes(key(version)) });
    const box = make("span", undefined, { class: "box" });
    box.style.aspectRatio = `${picture.width} / ${picture.height}`;
    const image = make("img", undefined, { alt: "", src: data.sources[version.image], draggable: "false" });
    if (version.kind === "lq") image.className = "crisp";
    box.append(image);
    const text = make("span", version.label, { class: "text" });
    const value = version.kind === "sr" || version.kind === "bicubic" ? scores[version.label] : undefined;
    if (value !== undefined && value !== null) {
      text.append(make("small", `${data.metrics[metric].label} ${shown(value)}`));
      if (value === best) text.classList.add("best");
    }
    button.append(box, text);
    button.addEventListener("click", (event) => { view[event.shiftKey ? "left" : "right"] = key(version); showVersions(); });
    return button;
  }));
}
function showPicture(at) {
  view.at = at;
  const picture = current();
  $("image").value = place(picture);
  fill($("recipe"), data.pictures.map((p, i) => [i, p]).filter(([, p]) => place(p) === place(picture)).map(([i, p]) => [i, nameOf(p.recipe)]));
  $("recipe").value = at;
  const stage = $("stage");
  stage.style.aspectRatio = `${picture.width} / ${picture.height}`;
  stage.style.maxWidth = `min(100%, ${(72 * picture.width) / picture.height}vh)`;
  $("told").textContent = picture.whole ? "The whole image."
    : `Cut of ${picture.width}×${picture.height} pixels at ${picture.left}, ${picture.top}; the scores are of the whole image.`;
  showVersions();
  draw();
}
function startPictures() {
  const stage = $("stage"), pointers = new Map();
  let dividing = false;
  fill($("image"), [...new Map(data.pictures.map((p) => [place(p), `${p.dataset}: ${p.name}`]))]);
  $("viewer").hidden = false;
  $("image").addEventListener("change", (event) => {
    const same = data.pictures.findIndex((p) => place(p) === event.target.value && p.recipe === current().recipe);
    showPicture(same >= 0 ? same : data.pictures.findIndex((p) => place(p) === event.target.value));
  });
  $("recipe").addEventListener("change", (event) => showPicture(Number(event.target.value)));
  for (const side of ["left", "right"]) $(side).addEventListener("change", (event) => { view[side] = event.target.value; showVersions(); });
  $("in").addEventListener("click", () => zoomBy(1.5));
  $("out").addEventListener("click", () => zoomBy(1 / 1.5));
  const fit = () => { view.z = 1; draw(); };
  $("fit").addEventListener("click", fit);
  $("handle").addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 10 : 2;
    const moves = { ArrowLeft: -step, ArrowDown: -step, ArrowRight: step, ArrowUp: step, Home: -100, End: 100 };
    if (event.key in moves) view.split = Math.min(100, Math.max(0, view.split + moves[event.key]));
    else if (event.key === "+" || event.key === "=") zoomBy(1.5);
    else if (event.key === "-") zoomBy(1 / 1.5);
    else if (event.key === "0") fit();
    else return;
    event.preventDefault();
    draw();
  });
  const where = (event) => {
    const box = stage.getBoundingClientRect();
    return { x: (100 * (event.clientX - box.left)) / box.width, y: (100 * (event.clientY - box.top)) / box.height };
  };
  const divide = (at) => { view.split = Math.min(100, Math.max(0, at.x)); draw(); };
  stage.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    pointers.set(event.pointerId, where(event));
    stage.setPointerCapture(event.pointerId);
    dividing = pointers.size === 1 && (event.target === $("handle") || view.z === 1);
    $("handle").focus({ preventScroll: true, focusVisible: false });
    if (dividing) divide(where(event));
    event.preventDefault();
  });
  stage.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = where(event);
    if (pointers.size === 2) {
      const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
      const far = (p) => Math.hypot((p.x - other.x) * stage.clientWidth, (p.y - other.y) * stage.clientHeight);
      view.x += (now.x - before.x) / 2;
      view.y += (now.y - before.y) / 2;
      zoomBy(far(now) / Math.max(far(before), 1), (now.x + other.x) / 2, (now.y + other.y) / 2);
    } else if (dividing) divide(now);
    else { view.x += now.x - before.x; view.y += now.y - before.y; draw(); }
    pointers.set(event.pointerId, now);
  });
  for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, (event) => { pointers.delete(event.pointerId); dividing = false; });
  stage.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && document.activeElement !== $("handle")) return;
    event.preventDefault();
    const at = where(event);
    zoomBy(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), at.x, at.y);
  }, { passive: false });
  addEventListener("resize", draw);
  onMetric.push(showVersions);
  showPicture(0);
}

if (data.pictures.length) startPictures();
startScores();
chooseMetric(0);
