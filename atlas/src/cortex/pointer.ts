/** Pointers on the map: drag pans, a click selects, shift or the lasso tool draws, two fingers zoom. */
export interface Gestures {
  pan: (dx: number, dy: number) => void;
  zoom: (factor: number, x: number, y: number) => void;
  click: (x: number, y: number) => void;
  hover: (x: number, y: number) => void;
  leave: () => void;
  lasso: (line: [number, number][], done: boolean) => void;
  /** Whether dragging draws. */
  drawing: () => boolean;
}

/** Pixels that a click may move. */
const STILL = 4;

export function listen(element: HTMLElement, origin: { left: number; top: number }, gestures: Gestures): () => void {
  const down = new Map<number, [number, number]>();
  let start: [number, number] | undefined;
  let moved = false;
  let line: [number, number][] | undefined;
  let apart = 0;

  const at = (event: MouseEvent): [number, number] => {
    const box = element.getBoundingClientRect();
    return [event.clientX - box.left - origin.left, event.clientY - box.top - origin.top];
  };
  const distance = (): number => {
    const [a, b] = [...down.values()];
    return a && b ? Math.hypot(a[0] - b[0], a[1] - b[1]) : 0;
  };

  const onDown = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    const point = at(event);
    down.set(event.pointerId, point);
    element.setPointerCapture(event.pointerId);
    if (down.size === 2) {
      apart = distance();
      line = undefined;
      moved = true;
      return;
    }
    start = point;
    moved = false;
    if (event.shiftKey || gestures.drawing()) line = [point];
  };
  const onMove = (event: PointerEvent): void => {
    const point = at(event);
    const before = down.get(event.pointerId);
    if (!before) return gestures.hover(...point);
    down.set(event.pointerId, point);
    if (down.size === 2) {
      const now = distance();
      const [a, b] = [...down.values()];
      if (apart > 0 && now > 0) gestures.zoom(now / apart, (a![0] + b![0]) / 2, (a![1] + b![1]) / 2);
      apart = now;
      return;
    }
    if (!moved && start && Math.hypot(point[0] - start[0], point[1] - start[1]) < STILL) return;
    moved = true;
    if (line) {
      line.push(point);
      gestures.lasso(line, false);
    } else gestures.pan(point[0] - before[0], point[1] - before[1]);
  };
  const onUp = (event: PointerEvent): void => {
    if (!down.delete(event.pointerId)) return;
    if (down.size > 0) return;
    if (!moved) gestures.click(...at(event));
    else if (line) gestures.lasso(line, true);
    line = undefined;
  };
  const onCancel = (event: PointerEvent): void => {
    down.delete(event.pointerId);
    line = undefined;
  };
  const onWheel = (event: WheelEvent): void => {
    // The page scrolls as usual until the map has been clicked (it has the focus) or Ctrl is held.
    if (!event.ctrlKey && !event.metaKey && document.activeElement !== element) return;
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      gestures.pan(-(event.deltaX || event.deltaY) * lines, 0);
    } else gestures.zoom(2 ** (-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.003)), ...at(event));
  };
  const onDouble = (event: MouseEvent): void => gestures.zoom(event.shiftKey ? 1 / 3 : 3, ...at(event));
  const onLeave = (): void => gestures.leave();

  element.addEventListener("pointerdown", onDown);
  element.addEventListener("pointermove", onMove);
  element.addEventListener("pointerup", onUp);
  element.addEventListener("pointercancel", onCancel);
  element.addEventListener("pointerleave", onLeave);
  element.addEventListener("wheel", onWheel, { passive: false });
  element.addEventListener("dblclick", onDouble);
  return () => {
    element.removeEventListener("pointerdown", onDown);
    element.removeEventListener("pointermove", onMove);
    element.removeEventListener("pointerup", onUp);
    element.removeEventListener("pointercancel", onCancel);
    element.removeEventListener("pointerleave", onLeave);
    element.removeEventListener("wheel", onWheel);
    element.removeEventListener("dblclick", onDouble);
  };
}
