// Answers in place of the gateway what this gateway cannot answer yet: the history, the faults and
// what operators do.
export const KEY = "an-operators-key";

const problem = (status, code, detail) => ({
  status,
  contentType: "application/problem+json",
  body: JSON.stringify({ status, code, detail, request_id: "5ca1ab1e00000001" }),
});

export async function standIn(context) {
  const faults = [];
  let cordoned = false;
  let filter = "info";
  const forward = (route) => route.fetch().catch(() => route.abort().then(() => null));

  await context.route("**/api/market-data/{ticker,market-context,validate-market}/**", async (route) => {
    const answer = await forward(route);
    if (!answer) return;
    if (answer.status() >= 400) {
      const body = await answer.json();
      const path = new URL(route.request().url()).pathname;
      faults.unshift({ ...body, at: Date.now(), client: "anonymous", method: "GET", path });
    }
    await route.fulfill({ response: answer });
  });

  await context.route("**/api/status", async (route) => {
    const answer = await forward(route);
    if (!answer) return;
    const status = await answer.json();
    status.faults ??= faults.slice(0, 50);
    status.streams.slow ??= [];
    status.log ??= { filter };
    status.access ??= { keys_required: false, admin: true };
    status.exchanges[0].cordoned ??= cordoned;
    await route.fulfill({ json: status });
  });

  await context.route("**/api/status/history", async (route) => {
    const answer = await forward(route);
    if (answer && answer.status() !== 404) return route.fulfill({ response: answer });
    if (!answer) return;
    const lines = { p50: [1, 2], p99: [3, 4] };
    await route.fulfill({
      json: {
        step_ms: 2000, until: Math.floor(Date.now() / 2000) * 2000, samples: 2,
        requests_per_second: [1, 2], hit_ratio: [null, 0.5], collapsed_per_second: [0, 0],
        upstream_calls_per_second: [0, 0], latency_ms: lines, served_age_seconds: lines, stream_clients: [0, 0],
        budgets: [{ exchange: "bitfinex", family: "ticker", limit: 90, left: [90, 89] }],
      },
    });
  });

  await context.route("**/api/admin/**", async (route) => {
    const request = route.request();
    const { pathname } = new URL(request.url());
    if ((await request.headerValue("authorization")) !== `Bearer ${KEY}`) {
      return route.fulfill(problem(401, "unauthorized", "a key with the right admin is needed"));
    }
    const what = `${request.method()} ${pathname}`;
    const body = request.postDataJSON() ?? {};
    if (what === "POST /api/admin/drain") return route.fulfill({ status: 202, json: { state: "draining" } });
    if (what === "POST /api/admin/cache/clear") return route.fulfill({ json: { cleared: body.key === "ticker tBTCUSD" && body.exchange === "bitfinex" } });
    if (pathname === "/api/admin/exchanges/bitfinex/cordon" && ["PUT", "DELETE"].includes(request.method())) {
      cordoned = request.method() === "PUT";
      return route.fulfill({ json: { exchange: "bitfinex", cordoned } });
    }
    if (what === "PUT /api/admin/log") {
      if (body.filter.includes("!")) return route.fulfill(problem(422, "invalid_parameter", "filter is none"));
      const before = filter;
      filter = body.filter;
      return route.fulfill({ json: { filter, before } });
    }
    return route.fulfill(problem(404, "not_found", what));
  });
}
