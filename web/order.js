/** Orders of rows. Pure. */

/** The indexes of a longest increasing run in `places` (negative ones never belong): what can stay when all is sorted. */
export function longestRun(places) {
  const ends = []; // ends[n]: the index where the best run of n + 1 places ends
  const before = new Map();
  places.forEach((place, index) => {
    if (place < 0) return;
    let [low, high] = [0, ends.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (places[ends[middle]] < place) low = middle + 1;
      else high = middle;
    }
    before.set(index, ends[low - 1]);
    ends[low] = index;
  });
  const run = new Set();
  for (let index = ends.at(-1); index !== undefined; index = before.get(index)) run.add(index);
  return run;
}

/** `rows` with those that `order` names in its order, and the others after them as they were. */
export function keepPlaces(rows, order) {
  const places = new Map(order.map((row, place) => [row, place]));
  const placeOf = (row) => places.get(row) ?? order.length;
  return rows.toSorted((a, b) => placeOf(a) - placeOf(b));
}
