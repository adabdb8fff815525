/** What a view gives away: its picture as SVG or PNG, its data as CSV. */

export type Cell = string | number | boolean | null | undefined;

/** A table with named columns; numbers are written with as many digits as they have. */
export function csv(columns: string[], rows: Iterable<Cell[]>): string {
  const lines = [columns.map(field).join(",")];
  for (const row of rows) lines.push(row.map(field).join(","));
  return `${lines.join("\n")}\n`;
}

function field(value: Cell): string {
  if (value === null || value === undefined || (typeof value === "number" && Number.isNaN(value))) return "";
  const text = String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Hands a file to the browser's downloads. */
export function save(name: string, content: string | Blob, type = "text/plain;charset=utf-8"): void {
  const blob = typeof content === "string" ? new Blob([content], { type }) : content;
  const url = URL.createObjectURL(blob);
  const anchor = document.createElement("a");
  anchor.href = url;
  anchor.download = fileName(name);
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Names of models and tasks may hold slashes and worse. */
export const fileName = (name: string): string => name.replace(/[^\w.@+-]+/g, "-").replace(/^[-.]+/, "");

export const saveCsv = (name: string, text: string): void => save(`${name}.csv`, text, "text/csv;charset=utf-8");

/** Properties that an SVG takes from the page's style and would lose outside of it. */
const STYLED = [
  "fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "stroke-linecap", "stroke-linejoin",
  "opacity", "font-family", "font-size", "font-weight", "font-style", "text-anchor", "dominant-baseline", "color", "visibility",
] as const;

/** The SVG as a file of its own: with its styles written out and a background. */
export function svgText(svg: SVGSVGElement, background = pageColour()): string {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  const from = [svg, ...svg.querySelectorAll("*")];
  const to = [copy, ...copy.querySelectorAll("*")];
  from.forEach((element, i) => {
    const style = getComputedStyle(element);
    const target = to[i] as SVGElement;
    for (const name of STYLED) {
      const value = style.getPropertyValue(name);
      if (value) target.style.setProperty(name, value);
    }
    target.removeAttribute("tabindex");
  });
  const { width, height } = svg.getBoundingClientRect();
  const box = svg.viewBox.baseVal;
  const view = box && box.width ? [box.x, box.y, box.width, box.height] : [0, 0, width, height];
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", String(width));
  copy.setAttribute("height", String(height));
  copy.setAttribute("viewBox", view.join(" "));
  const behind = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  for (const [name, value] of Object.entries({ x: view[0], y: view[1], width: view[2], height: view[3] })) {
    behind.setAttribute(name, String(value));
  }
  behind.setAttribute("fill", background);
  copy.prepend(behind);
  return new XMLSerializer().serializeToString(copy);
}

export const saveSvg = (name: string, svg: SVGSVGElement): void =>
  save(`${name}.svg`, svgText(svg), "image/svg+xml;charset=utf-8");

/** The same picture as pixels, twice as fine as the screen. */
export async function savePng(name: string, svg: SVGSVGElement, scale = 2): Promise<void> {
  const { width, height } = svg.getBoundingClientRect();
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svgText(svg))}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = Math.ceil(width * scale);
  canvas.height = Math.ceil(height * scale);
  canvas.getContext("2d")!.drawImage(image, 0, 0, canvas.width, canvas.height);
  await saveCanvas(name, canvas);
}

export async function saveCanvas(name: string, canvas: HTMLCanvasElement): Promise<void> {
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
  if (blob) save(`${name}.png`, blob);
}

export const pageColour = (): string => getComputedStyle(document.documentElement).getPropertyValue("--page").trim() || "#ffffff";
