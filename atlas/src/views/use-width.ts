/** The width that a view has, so that text in its picture is of one size on every screen. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { RefObject } from "preact";

export function useWidth(first = 460): [(element: HTMLDivElement | null) => void, number] {
  // The element comes when the data does: it is state, so that the observer follows it.
  const [element, setElement] = useState<HTMLDivElement | null>(null);
  const [width, setWidth] = useState(first);
  useLayoutEffect(() => {
    if (!element) return;
    const measure = (): void => {
      const now = Math.floor(element.clientWidth);
      if (now > 0) setWidth(now);
    };
    measure();
    if (typeof ResizeObserver === "undefined") return;
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [element]);
  return [setElement, width];
}

/** Whether a view is on the screen or nearly; once it was, it stays. */
export function useNear(): [RefObject<HTMLDivElement | null>, boolean] {
  const element = useRef<HTMLDivElement>(null);
  const [near, setNear] = useState(typeof IntersectionObserver === "undefined");
  useEffect(() => {
    if (near || !element.current) return;
    const observer = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && setNear(true), {
      rootMargin: "600px",
    });
    observer.observe(element.current);
    return () => observer.disconnect();
  }, [near]);
  return [element, near];
}

const WIDTHS = new Map<string, number>();
let context: CanvasRenderingContext2D | null | undefined;

/** Width of a text in the type of pictures, in pixels. */
export function textWidth(text: string, size = 11): number {
  const key = `${size}|${text}`;
  let width = WIDTHS.get(key);
  if (width === undefined) {
    // Null where there is no canvas: that is asked once.
    if (context === undefined) context = typeof document === "undefined" ? null : document.createElement("canvas").getContext?.("2d") ?? null;
    if (context) context.font = `${size}px system-ui, sans-serif`;
    width = context?.measureText?.(text).width ?? text.length * size * 0.55;
    WIDTHS.set(key, width);
  }
  return width;
}

/** The text, cut to a width with an ellipsis. */
export function fitted(text: string, width: number, size = 11): string {
  if (textWidth(text, size) <= width) return text;
  let [from, to] = [0, text.length];
  while (from < to) {
    const middle = Math.ceil((from + to) / 2);
    if (textWidth(`${text.slice(0, middle)}…`, size) <= width) from = middle;
    else to = middle - 1;
  }
  return `${text.slice(0, from).trimEnd()}…`;
}
