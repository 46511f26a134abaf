// Requests to the server; every failure is an Error whose message may be shown.

function headers(more = {}) {
  const key = document.getElementById("key").value.trim();
  return key ? { ...more, Authorization: `Bearer ${key}` } : more;
}

async function checked(answer) {
  if (answer.ok) return answer;
  let message = `the server answers ${answer.status}`;
  try {
    message = (await answer.json()).error.message;
  } catch { /* not one of its own errors */ }
  throw new Error(message);
}

async function request(path, options) {
  try {
    return await checked(await fetch(path, options));
  } catch (error) {
    if (error.name === "TypeError") throw new Error("the server cannot be reached");
    throw error;
  }
}

/** The first model: its abilities. */
export async function model() {
  const answer = await request("v1/models", { headers: headers() });
  return (await answer.json()).data[0];
}

/** The views of a sentence. */
export async function refine(text, signal) {
  const body = JSON.stringify({ text });
  const options = { method: "POST", body, headers: headers({ "Content-Type": "application/json" }), signal };
  return (await request("v1/prompts/refine", options)).json();
}

/** A WAV file, and what the server says of it. */
async function clip(answer) {
  const told = ["X-Changes", "X-Warning"].map((name) => answer.headers.get(name)).filter(Boolean);
  return { wav: await answer.blob(), notes: told.map(decodeURIComponent).join("; ") };
}

/** A scene, see `clip`. */
export async function scene(body, signal) {
  const options = {
    method: "POST",
    body: JSON.stringify(body),
    headers: headers({ "Content-Type": "application/json" }),
    signal,
  };
  return clip(await request("v1/audio/scenes", options));
}

/** An edited recording, see `clip`. */
export async function edit(form, signal) {
  const options = { method: "POST", body: form, headers: headers(), signal };
  return clip(await request("v1/audio/edits", options));
}
