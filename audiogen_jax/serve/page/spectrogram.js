// Pictures of sound: power in decibels over time and a mel-like frequency axis.

const SIZE = 512;
const FLOOR = -80; // dB below the loudest
const BINS = SIZE / 2;

/** Draws mono samples on a canvas. */
export function drawSpectrogram(canvas, samples) {
  const width = Math.max(1, Math.min(900, Math.floor(samples.length / 64)));
  const height = 128;
  canvas.width = width;
  canvas.height = height;
  const columns = [];
  let loudest = 1e-12;
  for (let x = 0; x < width; x++) {
    const start = Math.round((x * Math.max(0, samples.length - SIZE)) / Math.max(1, width - 1));
    const power = powers(samples.subarray(start, start + SIZE));
    for (const value of power) loudest = Math.max(loudest, value);
    columns.push(power);
  }
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let x = 0; x < width; x++) {
    for (let y = 0; y < height; y++) {
      // Low frequencies take more of the height, as on a mel scale.
      const share = (Math.pow(12, 1 - y / height) - 1) / 11;
      const power = columns[x][Math.min(BINS - 1, Math.round(share * BINS))];
      const level = Math.max(0, 1 - (10 * Math.log10(power / loudest + 1e-12)) / FLOOR);
      const at = 4 * (y * width + x);
      image.data[at] = 255 * Math.min(1, 1.6 * level);
      image.data[at + 1] = 255 * Math.max(0, Math.min(1, 2 * level - 0.7));
      image.data[at + 2] = 255 * (level < 0.5 ? 1.2 * level : Math.max(0, 1.1 - level));
      image.data[at + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
}

/** Power of each bin of a Hann-windowed frame; short frames are padded. */
function powers(frame) {
  const real = new Float32Array(SIZE), imaginary = new Float32Array(SIZE);
  for (let n = 0; n < frame.length; n++) {
    real[reversed(n)] = frame[n] * (0.5 - 0.5 * Math.cos((2 * Math.PI * n) / SIZE));
  }
  for (let half = 1; half < SIZE; half *= 2) {
    for (let k = 0; k < half; k++) {
      const cosine = Math.cos((Math.PI * k) / half), sine = -Math.sin((Math.PI * k) / half);
      for (let a = k; a < SIZE; a += 2 * half) {
        const b = a + half;
        const turnedReal = cosine * real[b] - sine * imaginary[b];
        const turnedImaginary = cosine * imaginary[b] + sine * real[b];
        real[b] = real[a] - turnedReal;
        imaginary[b] = imaginary[a] - turnedImaginary;
        real[a] += turnedReal;
        imaginary[a] += turnedImaginary;
      }
    }
  }
  return Float32Array.from({ length: BINS }, (_, k) => real[k] ** 2 + imaginary[k] ** 2);
}

function reversed(n) {
  let result = 0;
  for (let bit = 1; bit < SIZE; bit *= 2) {
    result = 2 * result + (n & 1);
    n >>= 1;
  }
  return result;
}
