//! Options that nobody should read over a shoulder: what SHOW CREATE writes instead of them.
//!
//! Source: `GlobalConfiguration.isSensitive` of Flink 2.3 for which keys these are. Flink hides
//! their values in its logs and errors; in a notebook what SHOW CREATE gives is kept and shared.

use std::borrow::Cow;

use regex::Regex;

const HIDDEN: &str = "******";

/// A key that has one of these in it.
const SENSITIVE: &[&str] = &[
    "api-key",
    "apikey",
    "auth-params",
    "basic-auth",
    "fs.azure.account.key",
    "http-headers",
    "jaas.config",
    "password",
    "secret",
    "service-key",
    "token",
];

/// The value of an option as it is shown: of secrets nothing, of URLs not the password.
pub(super) fn shown<'a>(key: &str, value: &'a str) -> Cow<'a, str> {
    let key = key.to_lowercase();
    if SENSITIVE.iter().any(|word| key.contains(word)) {
        return Cow::Borrowed(HIDDEN);
    }
    if !key.ends_with("url") {
        return Cow::Borrowed(value);
    }
    // A pattern of ours that did not compile would hide too little: then nothing is shown.
    let (Ok(parameter), Ok(user)) = (
        Regex::new("(?i)([?&;]password=)[^&;]*"),
        Regex::new("(//[^/?@:]*:)[^/?@]*@"),
    ) else {
        return Cow::Borrowed(HIDDEN);
    };
    let value = parameter.replace_all(value, "${1}******");
    Cow::Owned(user.replace(&value, "${1}******@").into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        for (key, value, expected) in [
            ("password", "pw", "******"),
            ("properties.sasl.jaas.config", "x", "******"),
            ("connector.Password", "pw", "******"),
            ("username", "me", "me"),
            ("table-name", "passwords?password=1", "passwords?password=1"),
            (
                "url",
                "jdbc:mysql://me:pw@db/x?user=me&password=pw&useSSL=false",
                "jdbc:mysql://me:******@db/x?user=me&password=******&useSSL=false",
            ),
            ("url", "jdbc:mysql://db:3306/x", "jdbc:mysql://db:3306/x"),
        ] {
            assert_eq!(shown(key, value), expected);
        }
    }
}
