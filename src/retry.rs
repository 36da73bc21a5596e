//! `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date.

use crate::env::Timestamp;

const DAY: u64 = 24 * 60 * 60;

/// Milliseconds from `now` on that the header asks for: none if it is no such header.
pub(crate) fn wait(now: Timestamp, header: &str) -> Option<u64> {
    if !header.is_empty() && header.bytes().all(|digit| digit.is_ascii_digit()) {
        // More digits than fit say that it is long.
        return Some(header.parse().unwrap_or(u64::MAX).saturating_mul(1000));
    }
    date(now, header).map(|date| date.saturating_mul(1000).saturating_sub(now.0))
}

/// Longer than any date is.
const LONGEST: usize = 64;

/// Seconds from the Unix epoch to a date, in one of the three forms that all have to read (section 5.6.7).
fn date(now: Timestamp, text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    if text.len() > LONGEST {
        return None;
    }
    let words: Vec<&str> = text.split(' ').collect();
    let (day, month, year, clock) = match *words.as_slice() {
        // `Sun, 06 Nov 1994 08:49:37 GMT`
        [week, day, month, year, clock, "GMT"] if week.ends_with(',') => {
            (number(day, 2)?, month, number(year, 4)?, clock)
        }
        // `Sunday, 06-Nov-94 08:49:37 GMT`
        [week, day, clock, "GMT"] if week.ends_with(',') => {
            let (day, month) = day.split_once('-')?;
            let (month, year) = month.split_once('-')?;
            (number(day, 2)?, month, nearby(now, number(year, 2)?), clock)
        }
        // `Sun Nov  6 08:49:37 1994`
        [_, month, "", day, clock, year] => (number(day, 1)?, month, number(year, 4)?, clock),
        [_, month, day, clock, year] => (number(day, 2)?, month, number(year, 4)?, clock),
        _ => return None,
    };
    let month = MONTHS.iter().position(|name| *name == month)?;
    let mut clock = clock.split(':');
    let mut unit = || number(clock.next()?, 2);
    let (hour, minute, second) = (unit()?, unit()?, unit()?);
    let ends = clock.next().is_none();
    let leap = is_leap(year);
    let length = match month {
        1 => 28 + u64::from(leap),
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    };
    if !ends
        || year < 1970
        || !(1..=length).contains(&day)
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    // The days of the years before, then of the months before, from tables of a year without a leap day.
    let before = year - 1;
    let leaps = before / 4 - before / 100 + before / 400;
    const LEAPS_BEFORE_1970: u64 = 1969 / 4 - 1969 / 100 + 1969 / 400;
    const DAYS_BEFORE: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let months = DAYS_BEFORE.get(month)? + u64::from(leap && month > 1);
    let days = (year - 1970) * 365 + (leaps - LEAPS_BEFORE_1970) + months + (day - 1);
    Some(days * DAY + hour * 3600 + minute * 60 + second)
}

/// The year that ends in these two digits and is not more than fifty years ahead.
const fn nearby(now: Timestamp, digits: u64) -> u64 {
    // Years of the mean length will do: nobody asks to wait for half a century.
    let ahead = 1970 + now.seconds() / (DAY * 1461 / 4) + 50;
    let year = ahead - ahead % 100 + digits;
    if year > ahead { year - 100 } else { year }
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// A number of exactly so many digits.
fn number(text: &str, digits: usize) -> Option<u64> {
    let listed = text.len() == digits && text.bytes().all(|digit| digit.is_ascii_digit());
    listed.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_seconds_are_read_and_nothing_else() {
        // P-174
        let now = Timestamp(784_111_777_000 - 5_500);
        for (header, expected) in [
            ("0", Some(0)),
            ("120", Some(120_000)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(5_500)),
            ("Sun, 06 Nov 1994 08:49:30 GMT", Some(0)),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("soon", None),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(5_500)),
            ("Sun Nov  6 08:49:37 1994", Some(5_500)),
            ("Sunday, 6-Nov-94 08:49:37 GMT", None),
            ("Sunday, 06-Nov-1994 08:49:37 GMT", None),
            ("Sun Nov 6 08:49:37 1994", None),
            ("Sun Nov  06 08:49:37 1994", None),
            ("Sun 06 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37", None),
            ("Sun, 06 Nov 1994 08:49:37 GMT ", None),
            ("Sun, 31 Nov 1994 08:49:37 GMT", None),
            ("Sun, 29 Feb 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1969 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 24:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37:00 GMT", None),
            ("Sun, 6 Nov 1994 08:49:37 GMT", None),
        ] {
            assert_eq!(wait(now, header), expected, "{header:?}");
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400),
            ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800),
            ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800),
            ("Mon, 23 Nov 2026 19:39:27 GMT", 1_795_462_767),
            ("Mon, 01 Mar 2100 00:00:00 GMT", 4_107_542_400),
            ("Wed Mar  1 00:00:00 2000", 951_868_800),
            ("Sat Dec 31 23:59:60 2016", 1_483_228_800),
            ("Thursday, 01-Jan-70 00:00:00 GMT", 0),
        ] {
            assert_eq!(date(Timestamp(0), text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn two_digits_are_a_year_nearby() {
        // RFC 9110, section 5.6.7: what looks more than fifty years ahead is past.
        let in_2026 = Timestamp(1_795_462_767_000);
        for (digits, year) in [(26, 2026), (76, 2076), (77, 1977), (99, 1999), (0, 2000)] {
            assert_eq!(nearby(in_2026, digits), year);
        }
        assert_eq!(nearby(Timestamp(u64::MAX), 0) % 100, 0);
        assert_eq!(nearby(Timestamp(0), 70), 1970);
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_host_sends_is_a_wait_or_nothing(
            header in "([A-Z][a-z]{2}day,|[A-Z][a-z]{2},?| |0[1-9]|[0-9]{1,4}|:|-|GMT|Nov|Feb){0,14}",
            now in proptest::num::u64::ANY
        ) {
            let _ = wait(Timestamp(now), &header);
        }
    }
}
