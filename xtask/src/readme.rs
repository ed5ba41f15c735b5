//! Commands that the README shows, so that what it promises is what is run.

use crate::shell::{Failure, Result};

/// Lines of fenced blocks that start with `start`, with lines continued by a backslash joined.
pub fn commands(readme: &str, start: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    let mut lines = readme.lines();
    while let Some(line) = lines.next() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        let mut command = line.trim().trim_start_matches("$ ").to_owned();
        if !fenced || !command.starts_with(start) {
            continue;
        }
        while let Some(joined) = command.strip_suffix('\\') {
            let next = lines.next().unwrap_or_default().trim();
            command = format!("{} {next}", joined.trim_end());
        }
        found.push(command);
    }
    found
}

/// The words of a command as a shell would see them: quotes hold words together, a comment ends the line.
///
/// Anything that needs a real shell is refused, because it would not be run word for word.
pub fn words(command: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for character in command.chars() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (Some('"'), '$' | '`' | '\\') => return Err(needs_a_shell(command, character)),
            (Some(_), _) => word.get_or_insert_default().push(character),
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, ' ' | '\t') => words.extend(word.take()),
            (None, '#') if word.is_none() => break,
            (None, '|' | '&' | ';' | '<' | '>' | '$' | '`' | '*' | '?' | '(' | ')' | '\\') => {
                return Err(needs_a_shell(command, character));
            }
            (None, _) => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    match quote {
        None => Ok(words),
        Some(open) => Err(needs_a_shell(command, open)),
    }
}

fn needs_a_shell(command: &str, character: char) -> Failure {
    Failure::new(format!(
        "the README's line needs a shell because of {character}: {command}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fenced_lines_count_and_continued_lines_are_joined() {
        let readme = "wasmtime run no\n```sh\ncargo build\nwasmtime run --dir a \\\n  b c\n$ wasmtime run --dir d e\n```\nwasmtime run no\n";
        assert_eq!(
            commands(readme, "wasmtime run --dir"),
            ["wasmtime run --dir a b c", "wasmtime run --dir d e"]
        );
    }

    #[test]
    fn words_are_split_as_a_shell_does() {
        let split = |line| words(line).unwrap();
        assert_eq!(split("a  b\tc"), ["a", "b", "c"]);
        assert_eq!(
            split("put 'two words' \"\" x'y'z # said so"),
            ["put", "two words", "", "xyz"]
        );
    }

    #[test]
    fn a_line_that_needs_a_shell_is_refused() {
        for line in ["a | b", "a > b", "a $HOME", "a \"$b\"", "a 'b"] {
            assert!(words(line).is_err(), "{line}");
        }
    }
}
