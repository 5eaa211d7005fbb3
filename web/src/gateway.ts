import type { ProblemBody } from "./shapes";

const PATIENCE_MS = 5000;

/** The key that the operator gave: in memory only, gone with the page. */
let key = "";

/** Uses this key from now on; an empty one is none. */
export function useKey(given: string): void {
  key = given;
}

/** True if there is a key. */
export const hasKey = (): boolean => key !== "";

/** What every request to the gateway carries. */
export function headers(more: Readonly<Record<string, string>> = {}): Headers {
  const made = new Headers(more);
  if (key) made.set("authorization", `Bearer ${key}`);
  return made;
}

/** An answer of the gateway that says what is wrong. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly body: ProblemBody,
  ) {
    const id = body.request_id ? ` · request ${body.request_id}` : "";
    super(`${status} ${body.code ?? ""}: ${body.detail ?? body.title ?? "no reason was given"}${id}`);
  }

  /** Reads it from an answer that is not a success. */
  static async of(answer: Response): Promise<Problem> {
    const body: unknown = await answer.json().catch(() => ({}));
    return new Problem(answer.status, body !== null && typeof body === "object" ? body : {});
  }
}

/** True if the gateway has answered, though not as hoped. */
export const isProblem = (error: unknown): error is Problem => error instanceof Problem;

/** An error in words. */
export function said(error: unknown): string {
  if (isProblem(error)) return error.message;
  if (error instanceof DOMException && error.name === "TimeoutError") return "no answer within 5 s";
  return "no connection";
}

/** Asks for JSON; throws a `Problem`, or what `fetch` throws. */
export async function ask<T>(path: string, signal?: AbortSignal): Promise<T> {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  const answer = await fetch(path, {
    headers: headers({ accept: "application/json" }),
    signal: signal ? AbortSignal.any([signal, patience]) : patience,
  });
  if (!answer.ok) throw await Problem.of(answer);
  return (await answer.json()) as T;
}

/** Asks for something to be done; throws as `ask` does. */
export async function act<T>(method: "POST" | "PUT" | "DELETE", path: string, body?: object): Promise<T> {
  const sent: RequestInit = { method, signal: AbortSignal.timeout(PATIENCE_MS) };
  sent.headers = headers({ accept: "application/json", ...(body ? { "content-type": "application/json" } : {}) });
  if (body) sent.body = JSON.stringify(body);
  const answer = await fetch(path, sent);
  if (!answer.ok) throw await Problem.of(answer);
  return (await answer.json()) as T;
}
