//! Requests to a web server, one line of the combined log format each.
//!
//! Invariant: every line matches `IP - - [time] "METHOD path HTTP/1.1" status bytes "referer" "agent"`, with
//! whole seconds in UTC. Clients and pages are skewed: low numbers are common.

use super::calendar::Calendar;
use super::line::number;
use super::producer::Records;
use super::random::{Random, mix};

/// Of a hundred requests so many have a status; the rest are answered with 200.
const STATUSES: [(u16, u64); 6] = [(404, 5), (304, 10), (302, 12), (500, 13), (403, 14), (503, 15)];
const AGENTS: [&[u8]; 4] = [
    b"Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0",
    b"Mozilla/5.0 (Macintosh; Intel Mac OS X 14_4) AppleWebKit/605.1.15 Safari/605.1.15",
    b"Mozilla/5.0 (compatible; ExampleBot/2.1; +http://example.com/bot.html)",
    b"curl/8.5.0",
];
const FIXED_PATHS: [&[u8]; 6] =
    [b"/", b"/index.html", b"/cart", b"/login", b"/static/app.css", b"/static/app.js"];

/// Makes log lines.
#[derive(Debug)]
pub(super) struct Weblog {
    ips: u64,
    pages: u64,
    calendar: Calendar,
}

impl Weblog {
    /// Requests of this many addresses for this many pages.
    pub(super) fn new(ips: u64, pages: u64) -> Self {
        Weblog { ips, pages, calendar: Calendar::new() }
    }
}

impl Records for Weblog {
    #[inline]
    fn write(&mut self, time_ms: i64, random: &mut Random, out: &mut Vec<u8>) {
        address(out, random.skewed(self.ips));
        out.extend_from_slice(b" - - [");
        self.calendar.log(out, time_ms);
        out.extend_from_slice(b"] \"");
        let is_post = random.below(10) == 0;
        out.extend_from_slice(if is_post { b"POST " } else { b"GET " });
        path(out, random.skewed(self.pages), is_post);
        out.extend_from_slice(b" HTTP/1.1\" ");
        let status = status(random.below(100));
        number(out, status);
        out.push(b' ');
        number(out, if matches!(status, 304 | 302) { 0 } else { 200 + random.tapered(50_000) });
        out.extend_from_slice(if random.bits() & 1 == 0 {
            b" \"-\" \""
        } else {
            b" \"https://example.com/\" \""
        });
        out.extend_from_slice(AGENTS[random.below(4) as usize]);
        out.push(b'"');
    }
}

/// An address of the private network 10.0.0.0/8, spread over it.
fn address(out: &mut Vec<u8>, client: u64) {
    let [a, b, c, ..] = (mix(client) as u32).to_le_bytes();
    out.extend_from_slice(b"10.");
    number(out, a);
    out.push(b'.');
    number(out, b);
    out.push(b'.');
    number(out, c);
}

fn path(out: &mut Vec<u8>, page: u64, is_post: bool) {
    if is_post {
        out.extend_from_slice(b"/api/orders");
    } else if let Some(fixed) = FIXED_PATHS.get(page as usize) {
        out.extend_from_slice(fixed);
    } else {
        out.extend_from_slice(b"/products/");
        number(out, page);
    }
}

fn status(percent: u64) -> u16 {
    STATUSES.iter().find(|(_, below)| percent < *below).map_or(200, |(status, _)| *status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_have_their_shares() {
        let of = |wanted| (0..100).filter(|percent| status(*percent) == wanted).count();
        assert_eq!([200, 404, 304, 302, 500, 403, 503].map(of), [85, 5, 5, 2, 1, 1, 1]);
    }

    #[test]
    fn lines_have_the_combined_format() {
        let (mut log, mut random) = (Weblog::new(50, 20), Random::new(1));
        for _ in 0..200 {
            let mut out = Vec::new();
            log.write(1_000, &mut random, &mut out);
            let line = String::from_utf8(out).unwrap();
            let quoted: Vec<&str> = line.split('"').collect();
            assert_eq!(quoted.len(), 7, "{line}");
            assert!(quoted[0].starts_with("10.") && quoted[0].contains(" - - [01/Jan/1970:00:00:01 +0000] "));
            assert_eq!(quoted[1].split(' ').count(), 3, "{line}");
            let answer: Vec<u64> = quoted[2].split_whitespace().map(|n| n.parse().unwrap()).collect();
            assert!(answer.len() == 2 && answer[0] >= 200, "{line}");
        }
    }
}
