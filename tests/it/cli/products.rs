//! `preorder product`: the catalogue at the console.

use crate::support::Shell;

const ADD: &str = "product add --id mac-book --name 'Mac Book' --type reservation --price 1500000 --stock 10";

#[test]
fn a_products_life() {
    let shell = Shell::new();
    let window = "--opens-at 2030-01-01T09:00:00+09:00 --closes-at 2030-01-02T00:00:00Z";
    insta::assert_snapshot!(
        "product_life",
        shell.runs([
            &*format!("{ADD} {window} --per-buyer-limit 2 --hold-seconds 60 --description '맥북 한정판'"),
            "product add --id soap --name Soap --type general --price 0 --stock 0 --json",
            "product list",
            "product list --json",
            "product show mac-book",
            "product edit mac-book --name 'Mac Book Pro' --price 2000000 --per-buyer-limit none --opens-at none --closes-at none",
            "product edit soap --description 'For hands' --json",
            "product restock soap --by 5 --reason delivery",
            "product restock soap --by -2 --json",
            "product restock soap --by -4",
            "product restock soap --by 0",
            "product delete soap",
            "product show soap",
            "product restock soap --by 1",
            "product delete soap",
            "product delete mac-book --json",
            "product list",
        ])
    );
}

#[test]
fn products_that_cannot_be() {
    let shell = Shell::new();
    shell.ok(ADD);
    insta::assert_snapshot!(
        "product_faults",
        shell.runs([
            ADD,
            "product add --id 'a b' --name '' --type reservation --price -1 --stock -1 --currency won \
             --opens-at tomorrow --closes-at 2030-13-01T00:00:00Z --per-buyer-limit 0 --hold-seconds 0",
            "product add --id a --name A --type general --price 1 --stock 1 --opens-at 2030-01-01T00:00:00Z",
            "product add --id a --name A --type general --price 1 --stock 1 --closes-at 2030-01-01T00:00:00Z",
            "product add --id a --name A --type reservation --price 1 --stock 1 \
             --opens-at 2030-01-02T00:00:00Z --closes-at 2030-01-01T00:00:00Z",
            "product add --id a --name A --type reservation --price 9999999999999 --stock 9999999999 --hold-seconds 86401",
            "product edit mac-book --price -1 --hold-seconds 0 --per-buyer-limit 0 --opens-at soon",
            "product restock mac-book --by -11",
            "product restock mac-book --by 1000000000",
            "product restock mac-book --by 1000000001",
            "product edit mac-book --closes-at 2030-01-01T00:00:00Z",
            "product edit mac-book --opens-at 2030-01-02T00:00:00Z",
            "product edit mac-book --opens-at 2030-01-02T00:00:00Z --closes-at 2030-01-01T00:00:00Z",
        ])
    );
    let nobody = Shell::new();
    nobody.run("product add --id a --name A --type general --price -1 --stock 1");
    assert!(!nobody.path().join("data").exists(), "no database is made for a command line that makes no sense");
    insta::assert_snapshot!(
        "product_unknown",
        shell.runs([
            "product show nothing",
            "product edit nothing --price 1",
            "product restock nothing --by 1",
            "product delete nothing",
            "product show 'a b'"
        ])
    );
    insta::assert_snapshot!(
        "product_wrong_usage",
        shell.runs([
            "product",
            "product add --id a",
            "product add --id a --name A --type lottery --price 1 --stock 1",
            "product add --id a --name A --type general --price much --stock 1",
            "product edit mac-book",
            "product edit mac-book --per-buyer-limit few",
            "product restock mac-book",
        ])
    );
}
