/**
 * A provider's client: handles one referral, from its arrival to the attachment.
 *
 *     npm install --save-dev typescript @types/node openapi-typescript openapi-fetch
 *     npx openapi-typescript http://localhost:8080/v1/openapi.json --output schema.d.ts
 *     npx tsc --strict --target es2022 --module nodenext --types node provider.ts
 *     GATEWAY_TOKEN=$(gateway token --provider PRV01) node provider.js UC-VOLUNTARY --sandbox
 *
 * It does what provider.py does, with types from the OpenAPI document: what the gateway does not take does not
 * compile. It may be stopped at any moment and begun anew. With --sandbox it plays the Jobcentre too, and lets
 * the days pass.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Schemas = components["schemas"];
type Problem = Schemas["ProblemDetails"];
type Answer<T> = { data?: T; error?: Problem; response: Response };

const GIVE_UP_AFTER_MS = 300_000;
const LONGEST_PAUSE_MS = 30_000;
const DAY_MS = 86_400_000;

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { url: { type: "string", default: "http://localhost:8080" }, sandbox: { type: "boolean", default: false } },
});
const [po] = positionals;
const token = process.env["GATEWAY_TOKEN"];
if (po === undefined || !token) {
  console.error("usage: GATEWAY_TOKEN=… node provider.js PO_NUMBER [--sandbox] [--url URL]");
  process.exit(2);
}
const folder = encodeURIComponent(po).replaceAll(".", "%2E");
const client = createClient<paths>({ baseUrl: values.url, headers: { Authorization: `Bearer ${token}` } });

/** What was asked is refused, and would be again: for a person. */
class Refused extends Error {}

const instant = (at: Date): string => at.toISOString();
const day = (at: Date): string => at.toISOString().slice(0, 10);

/** The answer, asked for again for as long as there may be another one. */
async function ask<T>(request: () => Promise<Answer<T>>): Promise<{ data: T; status: number }> {
  const began = Date.now();
  for (let pause = 500; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    let trouble: string;
    let wait = pause * (0.5 + Math.random() / 2);
    try {
      const { data, error, response } = await request();
      if (data !== undefined) return { data, status: response.status };
      if (response.status < 500 && ![408, 429].includes(response.status)) {
        throw new Refused(error?.code ? `${error.code}: ${error.detail}` : `HTTP ${response.status}`);
      }
      trouble = `HTTP ${response.status}`;
      const after = Number(response.headers.get("Retry-After") ?? Number.NaN);
      if (!Number.isNaN(after)) wait = 1_000 * after;
    } catch (error) {
      if (error instanceof Refused) throw error;
      trouble = String(error); // no connection, no answer, or half of one
    }
    if (Date.now() + wait > began + GIVE_UP_AFTER_MS) throw new Error(`the gateway can't be used: ${trouble}`);
    console.log(`  ${trouble}; again in ${(wait / 1_000).toFixed(1)} s`);
    await sleep(wait);
  }
}

/** Write a file whole or not at all. */
function write(name: string, content: string): void {
  writeFileSync(join(folder, `${name}.new`), content);
  renameSync(join(folder, `${name}.new`), join(folder, name));
}

/**
 * Send a record, and wait for what comes of it. A refusal is for a person; the rest goes on.
 *
 * It is on disk first: after a crash the same record goes out under the same key, and is decided once.
 */
async function send(po: string, step: string, record: Schemas["ProviderRecord"]): Promise<void> {
  const kept = `${encodeURIComponent(step)}.json`;
  if (!existsSync(join(folder, kept))) write(kept, JSON.stringify(record));
  const body = JSON.parse(readFileSync(join(folder, kept), "utf8")) as Schemas["ProviderRecord"];
  const header = { "Idempotency-Key": encodeURIComponent(`${po}-${step}`), Prefer: "wait=20" };
  try {
    for (;;) {
      const { data, status } = await ask(() =>
        client.POST("/v1/referrals/{po}/records", { params: { path: { po }, header }, body }),
      );
      if (status === 202) continue; // taken, and not decided yet: sent again, it is not taken again
      console.log(`  ${body.type}: ${data.status}, ${data.rule}`, ...data.advisories);
      return;
    }
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    console.log(`  ${body.type}, for a person: ${error.message}`);
  }
}

/** Do what an instruction says, or leave it to a person. */
async function follow(po: string, instruction: Schemas["InstructionView"], now: Date): Promise<void> {
  console.log(`${day(now)} ${instruction.instruction}, due ${instruction.due_on}`);
  switch (instruction.instruction) {
    case "ACCEPT_REFERRAL": {
      await send(po, "accepted", { type: "ReferralAccepted", accepted_at: instant(now) });
      const inAWeek = new Date(now.getTime() + 7 * DAY_MS);
      inAWeek.setUTCHours(10, 0, 0, 0);
      await send(po, "booked", {
        type: "SessionBooked",
        session_id: `LEEDS-${day(inAWeek)}`,
        session_name: "Information session",
        starts_at: instant(inAWeek),
        duration_minutes: 60,
        location: "Leeds Town Hall",
        format: "GROUP",
        notified_at: instant(now), // for a mandatory participant: from then on it counts
      });
      return;
    }
    case "UNDERTAKE_ATTACHMENT":
      await send(po, "attached", {
        type: "AttachmentRegistered",
        attached_on: day(now),
        attached_to: "WORK_PROGRAMME_REFERRAL",
      });
      return;
    default: // also what a later version adds
      console.log("  for a person to look at");
  }
}

/** Follow the instructions from where the last run left off. One counts as done when its cursor is on disk. */
async function followAll(po: string, now: Date): Promise<void> {
  const kept = join(folder, "cursor");
  const query = { limit: 500, wait: values.sandbox ? 0 : 30, ...(existsSync(kept) && { after: readFileSync(kept, "utf8") }) };
  const { data } = await ask(() => client.GET("/v1/instructions", { params: { query } }));
  if (typeof data === "string") throw new Error("a stream came, which was not asked for");
  for (const instruction of data.instructions) {
    if (instruction.po_number === po) await follow(po, instruction, now); // a provider's system follows them all
    write("cursor", instruction.cursor);
  }
}

/** Record what came of the sessions that are over. Here everybody comes. */
async function recordWhoCame(referral: Schemas["ReferralView"], now: Date): Promise<void> {
  for (const session of referral.sessions) {
    if (session.outcome !== null || session.cancelled || new Date(session.ends_at) > now) continue;
    await send(referral.po_number, `came-${session.session_id}`, {
      type: "AttendanceRecorded",
      session_id: session.session_id,
      outcome: "ATTENDED",
      recorded_at: instant(now),
    });
  }
}

/** In the sandbox: the Jobcentre interviews who has attended, and the clock moves on. */
async function passADay(referral: Schemas["ReferralView"], now: Date): Promise<void> {
  if (referral.status === "OPEN" && referral.sessions.some((each) => each.outcome === "ATTENDED")) {
    const value = {
      message_id: `${referral.po_number}-wp11`,
      po_number: referral.po_number,
      jobcentre_id: referral.jobcentre_id,
      interview_on: day(now),
      wants_to_join: true,
      issued_on: day(now),
    };
    const body = { topic: "jobcentre.wp11" as const, value };
    await ask(() => client.POST("/sandbox/messages", { params: { header: { Prefer: "wait=20" } }, body }));
  }
  const at = instant(new Date(now.getTime() + DAY_MS));
  await ask(() => client.POST("/sandbox/clock", { body: { at } }));
}

/** The time: in a sandbox its own, and not that of this machine. */
async function time(): Promise<Date> {
  return values.sandbox ? new Date((await ask(() => client.GET("/sandbox/clock"))).data.at) : new Date();
}

mkdirSync(folder, { recursive: true, mode: 0o700 });
try {
  for (;;) {
    const now = await time();
    await followAll(po, now);
    const { data: referral } = await ask(() => client.GET("/v1/referrals/{po}", { params: { path: { po } } }));
    if (referral.closed_at !== null) {
      console.log(`${day(now)} ${referral.status}`);
      break;
    }
    await recordWhoCame(referral, now);
    if (values.sandbox) await passADay(referral, now);
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
