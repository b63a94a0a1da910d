//! Literals and the units of time that qualify intervals.

use crate::span::Span;

/// A literal value, its number or time text unparsed.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// An exact number such as `12` or `1.50`; its digits decide INT, BIGINT or DECIMAL.
    Number(String),
    /// A number with an exponent such as `1e3`, a DOUBLE.
    Double(String),
    /// A character string, escapes resolved.
    String(String),
    /// `X'0aff'`: the hexadecimal digits.
    Binary(String),
    /// `TRUE` or `FALSE`.
    Boolean(bool),
    /// `NULL`.
    Null,
    /// `UNKNOWN`, the null of BOOLEAN.
    Unknown,
    /// `DATE '2024-01-31'`.
    Date(String),
    /// `TIME '12:00:00'`.
    Time(String),
    /// `TIMESTAMP '2024-01-31 12:00:00'`.
    Timestamp(String),
    /// `INTERVAL '5' SECOND`.
    Interval(IntervalLiteral),
}

/// `INTERVAL [-]'value' qualifier`.
#[derive(Debug, Clone, PartialEq)]
pub struct IntervalLiteral {
    /// Whether a minus sign stands before the string.
    pub negative: bool,
    /// The text between the quotes.
    pub value: String,
    /// Where the string was written, quotes included.
    pub value_span: Span,
    /// The fields the text holds.
    pub qualifier: IntervalQualifier,
}

/// `DAY(3) TO SECOND(6)`: the fields of an interval and their precisions.
#[derive(Debug, Clone, PartialEq)]
pub struct IntervalQualifier {
    /// The leading (or only) field.
    pub start: TimeUnit,
    /// Digits of the leading field; the default is 2.
    pub start_precision: Option<u32>,
    /// The last field, absent for a single-field interval.
    pub end: Option<TimeUnit>,
    /// Digits of the fraction of a second; the default is 6.
    pub fraction_precision: Option<u32>,
    /// Where the qualifier was written.
    pub span: Span,
}

/// A unit of time, in intervals, EXTRACT, FLOOR/CEIL and TIMESTAMPADD/TIMESTAMPDIFF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeUnit {
    /// 1000 years, counted from 1.
    Millennium,
    /// 100 years, counted from 1.
    Century,
    /// 10 years.
    Decade,
    /// Year.
    Year,
    /// Year of the ISO week.
    IsoYear,
    /// Three months.
    Quarter,
    /// Month.
    Month,
    /// Week (Monday first where a week starts).
    Week,
    /// Day (of the month, when extracted).
    Day,
    /// Day of the week, Sunday = 1.
    Dow,
    /// Day of the week, Monday = 1.
    IsoDow,
    /// Day of the year.
    Doy,
    /// Hour.
    Hour,
    /// Minute.
    Minute,
    /// Second.
    Second,
    /// Thousandth of a second.
    Millisecond,
    /// Millionth of a second.
    Microsecond,
    /// Billionth of a second.
    Nanosecond,
    /// Seconds since 1970.
    Epoch,
}

impl TimeUnit {
    /// The keyword of the unit, upper-case and singular.
    #[must_use]
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Millennium => "MILLENNIUM",
            Self::Century => "CENTURY",
            Self::Decade => "DECADE",
            Self::Year => "YEAR",
            Self::IsoYear => "ISOYEAR",
            Self::Quarter => "QUARTER",
            Self::Month => "MONTH",
            Self::Week => "WEEK",
            Self::Day => "DAY",
            Self::Dow => "DOW",
            Self::IsoDow => "ISODOW",
            Self::Doy => "DOY",
            Self::Hour => "HOUR",
            Self::Minute => "MINUTE",
            Self::Second => "SECOND",
            Self::Millisecond => "MILLISECOND",
            Self::Microsecond => "MICROSECOND",
            Self::Nanosecond => "NANOSECOND",
            Self::Epoch => "EPOCH",
        }
    }
}
