/** A view is drawn when it comes near the screen: the first paint has the map alone. */
import type { ComponentType } from "preact";
import { TipLayer } from "./tip";
import { useNear } from "./use-width";

/** Of the first view that is drawn, as one is enough. */
let layer: object | undefined;

export function lazily(View: ComponentType): ComponentType {
  const own = {};
  return function Lazily() {
    const [element, near] = useNear();
    if (near) layer ??= own;
    return (
      <div ref={element} class={near ? undefined : "view-later"}>
        {near && <View />}
        {near && layer === own && <TipLayer />}
      </div>
    );
  };
}
