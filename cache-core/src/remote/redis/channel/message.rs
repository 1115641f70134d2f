//! What is written to the channel, and how it is read. It does not know what a message is about.
//! Invariant: what cannot be read is never taken for something else.

/// A message: who sent it, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) sender: u64,
    /// Which of the sender's messages this is, counted from one; 0 for one that may be missed.
    pub(crate) number: u64,
    pub(crate) kind: u8,
    pub(crate) name: String,
}

impl Message {
    const VERSION: &'static str = "1";
    /// The kind of a beat: its number is that of the sender's last message.
    pub(super) const BEAT: u8 = b'h';
    /// The kind of a question for the beats of all others.
    pub(super) const WHO: u8 = b'?';

    pub(crate) fn write(&self) -> String {
        let Self {
            sender,
            number,
            kind,
            name,
        } = self;
        format!(
            "{} {sender:016x} {number} {} {name}",
            Self::VERSION,
            char::from(*kind)
        )
    }

    /// Reads a message. What cannot be read may be of a newer version, and must be taken to be about everything.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(bytes).ok()?.splitn(5, ' ');
        if parts.next()? != Self::VERSION {
            return None;
        }
        let sender = u64::from_str_radix(parts.next()?, 16).ok()?;
        let number = parts.next()?.parse().ok()?;
        let kind = *parts.next()?.as_bytes().first()?;
        Some(Self {
            sender,
            number,
            kind,
            name: parts.next()?.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Message;

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let message = Message {
            sender: 7,
            number: 42,
            kind: b'k',
            name: "lead:a b".into(),
        };
        assert_eq!(Message::read(message.write().as_bytes()), Some(message));
    }

    #[test]
    fn what_is_no_message_of_this_version_is_not_read() {
        for text in [
            "",
            "2 whatever",
            "1 x 1 k lead:1",
            "1 7 k lead:1",
            "1 7 1",
            "1 7 -1 k lead:1",
        ] {
            assert_eq!(Message::read(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Message::read(b"1 7 1 k \xff"), None);
    }
}
