//! `docs/sources.md`: each recipe is a configuration, and each kind of source has one.

use std::collections::BTreeSet;

use offpeak::config::Config;

const PAGE: &str = include_str!("../../../docs/sources.md");

/// What recipes begin behind: the CA that they name. `[source.order]` belongs to the recipe before it.
const BEFORE: &str = "[[ca]]\nname = \"example\"\nissuers = [\"aYhba4dGQEHhs3uEe6CuLN4ByNQ\"]\n";

#[test]
fn each_recipe_is_a_configuration_and_each_kind_has_one() {
    let blocks = PAGE.split("```toml\n").skip(1);
    let mut text = BEFORE.to_owned();
    let mut recipes = Vec::new();
    for block in blocks {
        let (recipe, _) = block.split_once("```").unwrap();
        if recipe.starts_with("[source.") {
            let whole: &mut String = recipes.last_mut().unwrap();
            whole.push_str(recipe);
        } else {
            recipes.push(recipe.to_owned());
        }
    }
    let mut kinds = BTreeSet::new();
    for recipe in &recipes {
        // A hash that is left out stands for any.
        let hash = "0".repeat(64);
        let recipe = recipe.replace("sha256 = \"…\"", &format!("sha256 = \"{hash}\""));
        let read = Config::parse(&format!("{BEFORE}{recipe}"));
        let read = read.unwrap_or_else(|errors| panic!("{recipe}: {errors:?}"));
        kinds.extend(read.sources.iter().map(|source| source.kind.name()));
        text.push_str(&recipe);
    }
    let all = [
        "csv",
        "folder",
        "log",
        "peer",
        "probe",
        "prometheus",
        "ranking",
        "sql",
    ];
    // That of `ct` is printed by `offpeak demo --print-ct-config`, and tested there.
    assert_eq!(kinds, BTreeSet::from(all));
    // All of them stand in one file together.
    let read = Config::parse(&text).unwrap_or_else(|errors| panic!("{errors:?}"));
    assert_eq!(read.sources.len(), all.len());
}
