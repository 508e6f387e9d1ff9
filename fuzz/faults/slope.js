/**
 * The slope of points, by least squares, and its standard error.
 *
 * @param {number[][]} points `[x, y]`, three at least
 * @returns {{ slope: number, error: number }}
 */
export function slopeOf(points) {
  const { length } = points;
  if (length < 3) throw new RangeError(`a slope with its error needs three points, not ${length}`);
  const mean = (at) => points.reduce((sum, point) => sum + (point[at] ?? 0), 0) / length;
  const [meanX, meanY] = [mean(0), mean(1)];
  let [xx, xy] = [0, 0];
  for (const [x = 0, y = 0] of points) {
    xx += (x - meanX) ** 2;
    xy += (x - meanX) * (y - meanY);
  }
  const slope = xy / xx;
  const residual = points.reduce(
    (sum, [x = 0, y = 0]) => sum + (y - meanY - slope * (x - meanX)) ** 2,
    0,
  );
  return { slope, error: Math.sqrt(residual / (length - 2) / xx) };
}
