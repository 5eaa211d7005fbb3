//! Page after page of one series after the other.

use std::time::Duration;

use http::{HeaderName, header::CACHE_CONTROL};
use tokio::{
    select,
    time::{Instant, sleep, sleep_until},
};

use super::{
    Client, Failure, Gateways, Outcome, Run,
    show::{View, Waiting},
};
use crate::cli::{
    client::{ClientError, Reply},
    gateways::{FindError, Found},
    page::{Page, cost_a_call},
    problem::Told,
    status::Status,
};

/// Behind everybody else (RFC 9218, section 4.1: 7 is the lowest urgency).
const BACKGROUND: (HeaderName, &str) = (HeaderName::from_static("priority"), "u=7");

/// Longer than a gateway takes for any answer that it gives at all: its deadline is 300 s at most.
const PATIENCE: Duration = Duration::from_secs(310);

/// Between two looks at the budget while a page is waited for.
const LOOK: Duration = Duration::from_secs(1);

/// Failures in a row after which it is given up. With the pauses between them, about a minute and
/// a half.
const TRIES: u32 = 8;

/// The longest pause after a failure that names none.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// However long a gateway says to wait, it is asked again after this long.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

impl Run {
    /// Fetches everything. Cancel-safe: what it has done so far stays counted, and what a gateway
    /// has fetched stays stored.
    pub async fn go(&mut self, gateways: &mut impl Gateways) -> Outcome {
        match self.fetch(gateways).await {
            Ok(()) => Outcome::Done,
            Err(failure) => Outcome::Failed(failure),
        }
    }

    async fn fetch(&mut self, gateways: &mut impl Gateways) -> Result<(), Failure> {
        for at in 0..self.series.len() {
            self.try_out(gateways, at).await?;
        }
        for at in 0..self.series.len() {
            self.one(gateways, at).await?;
        }
        Ok(())
    }

    /// Finds out whether a series can be asked for at all: a mistake in the last of them is not
    /// to show only after hours. Costs no call.
    async fn try_out(&mut self, gateways: &mut impl Gateways, at: usize) -> Result<(), Failure> {
        let path = self.series[at].first_page(self.exchange.as_deref());
        let headers = [BACKGROUND, (CACHE_CONTROL, "only-if-cached")];
        let mut failures = 0;
        loop {
            let found = self.find(gateways, &mut failures).await?;
            let last = match found.client.get(&path, &headers, PATIENCE).await {
                Ok(reply) if reply.status == 200 => return Ok(()),
                Ok(reply) => {
                    let told = Told::of(&reply);
                    match told.code.as_str() {
                        // It is asked for as it should be, and not held in memory.
                        "deadline_exceeded" => return Ok(()),
                        _ if !told.retryable => return Err(Failure::Refused(told)),
                        _ => told.to_string(),
                    }
                }
                Err(error) => error.to_string(),
            };
            self.pause(last, &mut failures).await?;
        }
    }

    /// Fetches one series.
    async fn one(&mut self, gateways: &mut impl Gateways, at: usize) -> Result<(), Failure> {
        let mut path = self.series[at].first_page(self.exchange.as_deref());
        loop {
            let (reply, client) = self.page(gateways, &path).await?;
            let who = client.endpoint();
            let page = Page::of(&reply)
                .map_err(|error| Failure::Unusable(format!("{who}: unreadable: {error}")))?;
            let Some(next) = &page.next else {
                let text = format!("{who}: does not name the next page; it is of another version");
                return Err(Failure::Unusable(text));
            };
            let series = &mut self.series[at];
            if !series.take(&page, next.as_deref(), cost_a_call(&reply)) {
                let text = format!("{who}: the page after {path} is not behind it");
                return Err(Failure::Unusable(text));
            }
            self.draw(None);
            match next {
                Some(next) => path.clone_from(next),
                None => break,
            }
        }
        self.show.ended(&self.series[at]);
        Ok(())
    }

    /// One page, however long it takes.
    async fn page(
        &mut self,
        gateways: &mut impl Gateways,
        path: &str,
    ) -> Result<(Reply, Client), Failure> {
        let mut failures = 0;
        loop {
            let Found { client, status, .. } = self.find(gateways, &mut failures).await?;
            let had_budget = self.look(&status);
            let asked = Instant::now();
            let last = match self.ask(&client, path).await {
                Ok(reply) if reply.status == 200 => {
                    self.pace.page(cost_a_call(&reply), asked.elapsed(), had_budget);
                    return Ok((reply, client));
                }
                Ok(reply) => {
                    let told = Told::of(&reply);
                    match told.retry_after() {
                        _ if !told.retryable => return Err(Failure::Refused(told)),
                        Some(wait) if told.asks_for_patience() => {
                            let wait = wait.min(LONGEST_WAIT);
                            self.wait(wait, |left| Waiting::Told(told.reason().to_owned(), left))
                                .await;
                            continue;
                        }
                        _ => told.to_string(),
                    }
                }
                Err(error) => error.to_string(),
            };
            self.pause(last, &mut failures).await?;
        }
    }

    /// Asks for a page, and looks at the budget meanwhile.
    async fn ask(&mut self, client: &Client, path: &str) -> Result<Reply, ClientError> {
        let headers = [BACKGROUND];
        let page = client.get(path, &headers, PATIENCE);
        let watch = async {
            loop {
                sleep(LOOK).await;
                // A look that fails is no matter: the page tells what there is to tell.
                if let Ok(status) = Status::ask(client).await {
                    self.look(&status);
                }
                let waiting = self.budget.and_then(|budget| {
                    let waits = budget.left == 0 || !budget.next_slot.is_zero();
                    if !budget.banned.is_zero() {
                        Some(Waiting::Ban(budget.banned))
                    } else {
                        waits.then_some(Waiting::Budget(budget.next_slot))
                    }
                });
                self.draw(waiting);
            }
        };
        select! {
            reply = page => reply,
            never = watch => never,
        }
    }

    /// A gateway whose store takes what is fetched.
    async fn find(
        &mut self,
        gateways: &mut impl Gateways,
        failures: &mut u32,
    ) -> Result<Found, Failure> {
        loop {
            let last = match gateways.find().await {
                Ok(found) => match found.status.store() {
                    "on" => {
                        if self.asked.as_ref() != Some(&found.client) {
                            self.show.event(&found.told());
                            self.asked = Some(found.client.clone());
                        }
                        return Ok(found);
                    }
                    "off" => return Err(FindError::NoStore(found.keeps_nothing()).into()),
                    state => format!("the store of {} is {state}", found.client.endpoint()),
                },
                Err(FindError::Passing(reason)) => reason,
                Err(lasting) => return Err(lasting.into()),
            };
            self.pause(last, failures).await?;
        }
    }

    /// Takes note of what a gateway says of its budget; true if a call could be sent at once.
    fn look(&mut self, status: &Status) -> bool {
        self.budget = status.candle_budget(self.exchange.as_deref());
        self.budget.is_none_or(|budget| budget.left > 0 && budget.next_slot.is_zero())
    }

    /// Waits after a failure, longer from one to the next.
    async fn pause(&mut self, last: String, failures: &mut u32) -> Result<(), Failure> {
        *failures += 1;
        if *failures >= TRIES {
            return Err(Failure::GivenUp { tries: TRIES, last });
        }
        let pause = LONGEST_PAUSE.min(Duration::from_millis(500) * 2_u32.pow(*failures));
        self.wait(pause, |left| Waiting::Told(last.clone(), left)).await;
        Ok(())
    }

    /// Waits, and says so from the beginning.
    async fn wait(&mut self, time: Duration, waiting: impl Fn(Duration) -> Waiting) {
        let end = Instant::now() + time;
        self.show.event(&waiting(time).to_string());
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            self.draw(Some(waiting(left)));
            sleep_until(end.min(Instant::now() + LOOK)).await;
        }
    }

    fn draw(&mut self, waiting: Option<Waiting>) {
        let mut outlook = self.pace.outlook(&self.series, self.budget);
        if let (Some(outlook), Some(Waiting::Told(_, left))) = (&mut outlook, &waiting) {
            outlook.time += *left;
        }
        let elapsed = self.began.elapsed();
        self.show.draw(&View { series: &self.series, elapsed, outlook, waiting });
    }
}
