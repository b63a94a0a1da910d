//! Key groups in a manifest: a short text like `0-15,20,shared`.

use crate::snapshot::SHARED_GROUP;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt::{Display, Formatter};

/// Key groups, ascending; [`SHARED_GROUP`] stands for what belongs to every task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupSet(Vec<u32>);

impl GroupSet {
    /// The groups, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.0.iter().copied()
    }

    /// Whether the group is one of them.
    pub fn contains(&self, group: u32) -> bool {
        self.0.binary_search(&group).is_ok()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn parse(text: &str) -> Option<Self> {
        let mut groups = Vec::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            match part.split_once('-') {
                _ if part == "shared" => groups.push(SHARED_GROUP),
                None => groups.push(part.parse().ok()?),
                Some((first, last)) => {
                    let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
                    // A span of all numbers would be a mistake that takes gigabytes to notice.
                    if last - first.min(last) > GROUPS_MAX {
                        return None;
                    }
                    groups.extend(first..=last);
                }
            }
        }
        Some(groups.into_iter().collect())
    }
}

/// More key groups than any job has.
const GROUPS_MAX: u32 = 1 << 16;

impl FromIterator<u32> for GroupSet {
    fn from_iter<T: IntoIterator<Item = u32>>(groups: T) -> Self {
        let mut groups: Vec<u32> = groups.into_iter().collect();
        groups.sort_unstable();
        groups.dedup();
        GroupSet(groups)
    }
}

impl Display for GroupSet {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let mut at = 0;
        while at < self.0.len() {
            let first = self.0[at];
            let mut end = at + 1;
            while end < self.0.len() && self.0[end] != SHARED_GROUP && self.0[end] == self.0[end - 1] + 1 {
                end += 1;
            }
            let comma = if at == 0 { "" } else { "," };
            match (first, self.0[end - 1]) {
                (SHARED_GROUP, _) => write!(f, "{comma}shared")?,
                (first, last) if first == last => write!(f, "{comma}{first}")?,
                (first, last) => write!(f, "{comma}{first}-{last}")?,
            }
            at = end;
        }
        Ok(())
    }
}

impl Serialize for GroupSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GroupSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        GroupSet::parse(&text).ok_or_else(|| D::Error::custom(format!("'{text}' are no key groups")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_short_and_comes_back() {
        for (groups, text) in [
            (vec![], ""),
            (vec![7], "7"),
            (vec![3, 1, 2, 9, 9], "1-3,9"),
            (vec![0, SHARED_GROUP, 4, 5], "0,4-5,shared"),
            (vec![SHARED_GROUP - 1, SHARED_GROUP], "4294967294,shared"),
        ] {
            let set: GroupSet = groups.into_iter().collect();
            assert_eq!(set.to_string(), text);
            assert_eq!(GroupSet::parse(text), Some(set));
        }
        assert_eq!(GroupSet::parse("1-x"), None);
        assert_eq!(GroupSet::parse("0-4294967295"), None);
    }
}
