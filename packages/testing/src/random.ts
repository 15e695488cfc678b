/** Seeded numbers, for schedules that can be repeated: a counter whose bits are mixed (splitmix32). */
export type Draw = (below: number) => number;

export function seeded(seed: number): Draw {
  let counter = seed | 0;
  return (below) => {
    counter = (counter + 0x9e3779b9) | 0;
    let mixed = counter ^ (counter >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) % below;
  };
}
