/** A whole referral by openapi-fetch and the types that openapi-typescript makes: URL TOKEN PO_NUMBER. */
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Schemas = components["schemas"];

const [baseUrl, token, po] = process.argv.slice(2) as [string, string, string];
const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${token}` } });
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

function expect(right: boolean, otherwise: unknown): void {
  if (!right) throw new Error(JSON.stringify(otherwise));
}

const day = (at: Date): string => at.toISOString().slice(0, 10);

async function now(): Promise<Date> {
  const { data, error } = await client.GET("/sandbox/clock");
  if (data === undefined) throw new Error(error.code);
  return new Date(data.at);
}

async function move(at: Date): Promise<void> {
  const { error } = await client.POST("/sandbox/clock", { body: { at: at.toISOString() } });
  expect(error === undefined, error);
}

async function arrives(body: Schemas["SandboxMessage"]): Promise<void> {
  const { data, error } = await client.POST("/sandbox/messages", { params: { header: { Prefer: "wait=10" } }, body });
  expect(data?.status === "APPLIED", data ?? error);
}

async function send(step: string, body: Schemas["ProviderRecord"]): Promise<Schemas["ProblemDetails"] | undefined> {
  const { data, error } = await client.POST("/v1/referrals/{po}/records", {
    params: { path: { po }, header: { "Idempotency-Key": `${po}-${step}`, Prefer: "wait=10" } },
    body,
  });
  expect(error !== undefined || data.status === "APPLIED", data);
  return error;
}

async function done(step: string, body: Schemas["ProviderRecord"]): Promise<void> {
  const error = await send(step, body);
  expect(error === undefined, error);
}

const began = await now();
await arrives({
  topic: "prap.referrals",
  type: "Referral",
  value: {
    message_id: `${po}-referred`,
    po_number: po,
    po_revision: 1,
    action_plan_annotation: "Work Programme Information Session-Voluntary",
    referred_on: day(began),
    provider_id: "PRV01",
    contract_package_area: "CPA01",
    jobcentre_id: "JCP-LEEDS",
    benefit: "JSA",
    participant: {},
  },
});
await done("accepted", { type: "ReferralAccepted", accepted_at: began.toISOString() });
const refused = await send("again", { type: "ReferralAccepted", accepted_at: began.toISOString() });
expect(refused?.code === "ALREADY_ACCEPTED", refused);

const startsAt = new Date(began.getTime() + DAY_MS);
const session_id = `${po}-session`;
await done("booked", {
  type: "SessionBooked",
  session_id,
  session_name: "Information session",
  starts_at: startsAt.toISOString(),
  duration_minutes: 60,
  location: "Leeds Town Hall",
  format: "GROUP",
});
await move(new Date(startsAt.getTime() + 2 * HOUR_MS));
const recorded_at = (await now()).toISOString();
await done("attended", { type: "AttendanceRecorded", session_id, outcome: "ATTENDED", recorded_at });

const today = day(await now());
await arrives({
  topic: "jobcentre.wp11",
  value: {
    message_id: `${po}-wp11`,
    po_number: po,
    jobcentre_id: "JCP-LEEDS",
    interview_on: today,
    wants_to_join: true,
    issued_on: today,
  },
});
const { data: listed } = await client.GET("/v1/instructions", { params: { query: { limit: 500 } } });
// The other form of this answer is a stream, which is read as text.
const instructions = typeof listed === "object" ? listed.instructions : [];
const last = instructions.filter((each) => each.po_number === po).at(-1);
expect(last?.instruction === "UNDERTAKE_ATTACHMENT", last);
expect(last?.due_on === day(new Date(began.getTime() + 28 * DAY_MS)), last);

await done("attached", {
  type: "AttachmentRegistered",
  attached_on: today,
  attached_to: "WORK_PROGRAMME_REFERRAL",
});
const { data: whole } = await client.GET("/v1/referrals/{po}", { params: { path: { po } } });
const told = whole?.history.flatMap((each) => (each.type === "Instruction" ? [each.event.instruction] : []));
expect(JSON.stringify(told) === '["ACCEPT_REFERRAL","UNDERTAKE_ATTACHMENT"]', told);

const { data: uploaded, error: mistaken } = await client.POST("/v1/uploads", {
  headers: { "Content-Type": "text/csv" },
  body: `message_id,po_number,type,raised_at\n${po}-o,${po},Group objection,${began.toISOString()}\n`,
  bodySerializer: (text) => text,
});
expect(uploaded?.records === 1, mistaken);
console.log(whole?.status);
