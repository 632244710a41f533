//! `preorder seed`.

use crate::support::Shell;

#[test]
fn seeding_twice_is_seeding_once() {
    let shell = Shell::new();
    insta::assert_snapshot!(
        "seed",
        shell.runs(["seed", "seed", "seed --users 50 --products 5", "seed --users 50 --products 5 --json"])
    );
    insta::assert_snapshot!("seed_shows", shell.runs(["product list", "audit"]));
    assert_eq!(shell.json("user list --json")["items"].as_array().unwrap().len(), 54);
    shell.ok("seed --users 51");
    assert_eq!(shell.json("user list --json")["items"].as_array().unwrap().len(), 55);
}

#[test]
fn the_same_seed_gives_the_same_people() {
    let people = |line: &str| {
        let shell = Shell::new();
        shell.ok(line);
        let users = shell.json("user list --json");
        users["items"].as_array().unwrap().iter().map(|user| user["name"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(people("seed --users 20 --seed 3"), people("seed --users 20 --seed 3"));
    assert_ne!(people("seed --users 20 --seed 3"), people("seed --users 20 --seed 4"));
}

#[test]
fn a_community_is_seeded_once_grows_and_passes_the_audit() {
    let shell = Shell::new();
    insta::assert_snapshot!(
        "seed_community",
        shell.runs(["seed --posts 60", "seed --posts 60", "seed --posts 90 --json", "seed --posts 10 --users 1"])
    );
    assert_eq!(shell.json("audit --json")["ok"], true);
}

#[test]
fn the_same_seed_gives_the_same_community() {
    let added = |line: &str| {
        let shell = Shell::new();
        let mut added = shell.json(line);
        added.as_object_mut().unwrap().remove("products");
        added
    };
    assert_eq!(added("seed --posts 50 --seed 3 --json"), added("seed --posts 50 --seed 3 --products 1 --json"));
    assert_ne!(added("seed --posts 50 --seed 3 --json"), added("seed --posts 50 --seed 4 --json"));
}

#[test]
fn a_community_writes_what_its_folder_says() {
    let shell = Shell::new();
    std::fs::create_dir(shell.path().join("mine")).unwrap();
    shell.write("mine/products.toml", "");
    shell.write("mine/community.toml", "[korean]\nthings = []\n");
    insta::assert_snapshot!(
        "seed_community_faults",
        shell.runs(["seed --from mine --posts 5", "seed --posts -1", "seed --posts 99999999"])
    );
    std::fs::remove_file(shell.path().join("mine/community.toml")).unwrap();
    insta::assert_snapshot!("seed_community_of_nobody", shell.run("seed --from mine --posts 5 --users 0"));
}

#[test]
fn a_folder_of_ones_own() {
    let shell = Shell::new();
    std::fs::create_dir(shell.path().join("mine")).unwrap();
    insta::assert_snapshot!("seed_missing", shell.runs(["seed --from nowhere", "seed --from mine"]));
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("data/seed");
    for file in ["products.toml", "users.toml"] {
        std::fs::copy(root.join(file), shell.path().join("mine").join(file)).unwrap();
    }
    insta::assert_snapshot!("seed_from", shell.run("seed --from mine"));
    shell.write("mine/users.toml", "[[users]]\nemail = \"nobody\"\nname = \"\"\ncolour = \"red\"\n");
    shell.write(
        "mine/products.toml",
        "[[products]]\nid = \"a b\"\nname = \"A\"\ntype = \"lottery\"\nprice = -1\nstock = 1\n",
    );
    insta::assert_snapshot!("seed_faults", shell.run("seed --from mine"));
    shell.write("mine/products.toml", "[[products\n");
    insta::assert_snapshot!("seed_broken", shell.run("seed --from mine"));
    insta::assert_snapshot!(
        "seed_wrong_usage",
        shell.runs(["seed --users many", "seed --users 99999999", "seed --products -1"])
    );
}
