/** What the pointer (or the keyboard) is at, in words beside it. */
import { signal } from "@preact/signals";

interface Tip {
  x: number;
  y: number;
  lines: string[];
}

const tip = signal<Tip | undefined>(undefined);

export const showTip = (event: { clientX: number; clientY: number }, ...lines: string[]): void =>
  void (tip.value = { x: event.clientX, y: event.clientY, lines });

/** Beside an element, for those who come by keyboard. */
export const showTipAt = (element: Element, ...lines: string[]): void => {
  const { left, bottom } = element.getBoundingClientRect();
  tip.value = { x: left, y: bottom, lines };
};

export const hideTip = (): void => void (tip.value = undefined);

/** Handlers of an element that says something when pointed at. */
export const tells = (...lines: string[]) => ({
  onPointerEnter: (event: PointerEvent) => showTip(event, ...lines),
  onPointerMove: (event: PointerEvent) => showTip(event, ...lines),
  onPointerLeave: hideTip,
});

const WIDE = 280;

/** Once on the page. */
export function TipLayer() {
  const now = tip.value;
  if (!now) return null;
  const left = Math.max(4, Math.min(now.x + 14, innerWidth - WIDE - 8));
  const below = now.y < innerHeight - 120;
  const place = below ? { top: `${now.y + 14}px` } : { bottom: `${innerHeight - now.y + 10}px` };
  return (
    <div class="view-tip" role="status" style={{ left: `${left}px`, maxWidth: `${WIDE}px`, ...place }}>
      {now.lines.map((line, i) => (
        <div key={i}>{line}</div>
      ))}
    </div>
  );
}
