use super::*;

const GOOD: &str = r#"
name = "small"
[product]
stock = 5
price = 100
[crowd]
buyers = 10
connections = 20
[[journeys]]
steps = ["look", "buy"]
"#;

fn refused(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    Scenario::parse("my.toml", &GOOD.replace(from, to)).unwrap_err().to_string()
}

#[test]
fn presets_are_valid_and_named_after_their_files() {
    for (name, _) in PRESETS {
        let scenario = Scenario::load(name).unwrap();
        assert_eq!(scenario.name, name);
        assert!(!scenario.description.is_empty());
    }
}

#[test]
fn what_is_not_written_has_a_default() {
    let scenario = Scenario::parse("my.toml", GOOD).unwrap();
    assert_eq!(scenario.product.hold_seconds, 600);
    assert_eq!(scenario.product.per_buyer_limit, None);
    assert_eq!(scenario.connections(), 10, "never more connections than buyers");
    assert_eq!(scenario.journeys[0], Journey { weight: 1, steps: vec![Step::Look, Step::Buy] });
    assert!(scenario.verdict.error_rate_max.abs() < f64::EPSILON);
}

#[test]
fn a_mistyped_key_is_named_with_its_line_and_what_is_allowed() {
    let error = refused("stock = 5", "stok = 5");
    assert!(error.starts_with("my.toml:4: ") && error.contains("`stok`") && error.contains("`stock`"), "{error}");
}

#[test]
fn a_missing_key_and_a_wrong_type_are_named() {
    assert!(refused("price = 100\n", "").contains("`price`"));
    let error = refused("stock = 5", "stock = 'five'");
    assert!(error.starts_with("my.toml:4: ") && error.contains("i64"), "{error}");
    assert!(refused("[crowd]", "[crowd").starts_with("my.toml:6: "));
}

#[test]
fn numbers_out_of_range_are_told_all_at_once() {
    let error = refused("stock = 5\nprice = 100", "stock = -1\nprice = -2\nhold_seconds = 0");
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(lines[0], "my.toml:4: product.stock: -1 is not allowed; allowed: 1 to 1000000000");
    assert!(lines[1].starts_with("my.toml:5: product.price: -2"), "{error}");
    assert!(lines[2].starts_with("my.toml:6: product.hold_seconds: 0"), "{error}");
    assert_eq!(lines.len(), 3);
}

#[test]
fn journeys_need_a_weight_and_known_steps() {
    let error = refused("steps = [\"look\", \"buy\"]", "weight = 0\nsteps = [\"look\", \"steal\"]");
    assert!(error.contains("my.toml:10: journeys.weight: 0 is not allowed"), "{error}");
    assert!(error.contains("my.toml:11: journeys.steps: 'steal' is no step; allowed: look, stock, buy"), "{error}");
    assert!(refused("[\"look\", \"buy\"]", "[]").contains("allowed: 1 to 20 steps"));
    assert!(refused("[[journeys]]\nsteps = [\"look\", \"buy\"]", "").contains("journeys"));
}

/// `GOOD` with `[[phases]]` in the place of `[crowd]`; they begin at line 6.
fn with_phases(phases: &str) -> Result<Scenario, String> {
    let crowd = "[crowd]\nbuyers = 10\nconnections = 20\n";
    assert!(GOOD.contains(crowd));
    Scenario::parse("my.toml", &GOOD.replace(crowd, phases)).map_err(|error| error.to_string())
}

/// One phase, named and with five connections: its keys begin at line 9.
fn phase(arrivals: &str, keys: &str) -> String {
    format!("[[phases]]\nname = '{arrivals} {}'\nconnections = 5\narrivals = '{arrivals}'\n{keys}\n", keys.len())
}

#[test]
fn a_crowd_is_short_for_one_closed_phase() {
    let short = Scenario::parse("my.toml", GOOD).unwrap();
    let long = with_phases("[[phases]]\nname = 'crowd'\narrivals = 'closed'\nbuyers = 10\nconnections = 20\n");
    assert_eq!(long.unwrap(), short);
}

#[test]
fn an_open_phase_has_as_many_buyers_as_come_in_time() {
    let rate = |burst, per_second, ramp_to| Arrivals::Open(Rate { burst, per_second, ramp_to });
    for (keys, arrivals, buyers, seconds) in [
        ("per_second = 5\nseconds = 4", rate(0, 5.0, 5.0), 20, 4),
        ("per_second = 5\nseconds = 4\nburst = 3", rate(3, 5.0, 5.0), 23, 4),
        ("per_second = 0\nramp_to = 10\nseconds = 4", rate(0, 0.0, 10.0), 20, 4),
        ("per_second = 5\nbuyers = 20", rate(0, 5.0, 5.0), 20, 4),
        ("per_second = 5\nseconds = 4\nbuyers = 7", rate(0, 5.0, 5.0), 7, 4),
        ("burst = 9", rate(9, 0.0, 0.0), 9, 0),
    ] {
        let phase = with_phases(&phase("open", keys)).unwrap().phases.remove(0);
        assert_eq!((phase.arrivals, phase.buyers), (arrivals, buyers), "{keys}");
        assert_eq!(phase.duration, Some(Duration::from_secs(seconds)), "{keys}");
    }
}

#[test]
fn a_phase_must_have_somebody_and_an_end() {
    for (phases, error) in [
        (phase("open", "per_second = 5"), "my.toml:6: phases: it has no end; write seconds, buyers or both"),
        (
            phase("open", "seconds = 5"),
            "my.toml:6: phases: nobody comes; open arrivals need per_second, ramp_to or burst",
        ),
        (phase("open", "ramp_to = 5\nbuyers = 9"), "my.toml:10: phases.ramp_to: a ramp needs seconds"),
        (phase("open", "burst = 5\nbuyers = 9"), "my.toml:6: phases: only 5 of 9 buyers ever come"),
        (phase("open", "per_second = -1\nseconds = 5\nburst = 1"), "my.toml:10: phases.per_second: -1 is not allowed"),
        (
            phase("open", "per_second = 9e5\nseconds = 60"),
            "my.toml:6: phases: 54000000 buyers come in all; allowed: 1000000",
        ),
        (phase("closed", ""), "my.toml:6: phases: closed arrivals need buyers"),
        (phase("closed", "buyers = 0"), "my.toml:10: phases.buyers: 0 is not allowed"),
        (phase("closed", "buyers = 5\nper_second = 3"), "my.toml:11: phases.per_second: closed arrivals have no rate"),
        (phase("closed", "buyers = 5\nburst = 3"), "my.toml:11: phases.burst: closed arrivals have no rate"),
        (phase("ajar", ""), "my.toml:9: phases.arrivals: 'ajar' is not allowed; allowed: closed, open"),
        (phase("closed", "buyers = 5").repeat(2), "my.toml:12: phases.name: 'closed 10' is another phase's name"),
        (phase("closed", "buyer = 5"), "my.toml:10: unknown field `buyer`"),
        (phase("closed", "buyers = 5").replace("'closed 10'", "' '"), "my.toml:7: phases.name: it is blank"),
        (String::new(), "my.toml:1: phases: nobody comes; write [crowd] or at least one [[phases]]"),
        ("phases = []\n".to_owned(), "unknown field `phases`"),
    ] {
        let found = with_phases(&phases).unwrap_err();
        assert!(found.contains(error), "{phases}\n{found}\n{error}");
        assert!(found.lines().count() == 1, "{found}");
    }
    let both = refused("[crowd]", "[[phases]]\nname = 'a'\narrivals = 'open'\nburst = 1\nconnections = 1\n[crowd]");
    assert!(both.starts_with("my.toml:11: crowd: there are [[phases]] as well"), "{both}");
}

#[test]
fn bots_limits_and_thresholds_are_checked() {
    for (table, error) in [
        ("[bots]\nshare = 2\nsteps = ['buy']", "my.toml:10: bots.share: 2 is not allowed"),
        ("[bots]\nshare = 0.1\nsteps = ['bye']", "my.toml:11: bots.steps: 'bye' is no step"),
        ("[bots]\nshare = 0.1\nsteps = ['buy']\naddresses = 0", "my.toml:12: bots.addresses: 0 is not allowed"),
        ("[server]\naddress_per_second = -1", "my.toml:10: server.address_per_second: -1 is not allowed"),
        ("[server]\npassword_threads = 0", "my.toml:10: server.password_threads: 0 is not allowed"),
        ("[server]\nport = 1", "my.toml:10: unknown field `port`"),
        ("[verdict]\nrequests_per_second_min = 0", "my.toml:10: verdict.requests_per_second_min: 0 is not allowed"),
        ("[verdict]\nfairness_min = 1.1", "my.toml:10: verdict.fairness_min: 1.1 is not allowed"),
        ("[verdict]\nbots_limited_rate_min = 0.5", "my.toml:10: verdict.bots_limited_rate_min: there are no [bots]"),
    ] {
        let found = refused("[[journeys]]", &format!("{table}\n[[journeys]]"));
        assert!(found.starts_with(error), "{found}\n{error}");
    }
}

#[test]
fn a_limit_without_a_burst_lets_a_seconds_worth_in_at_once() {
    let text = format!("{GOOD}\n[server]\naddress_per_second = 7\naccount_burst = 2");
    let server = Scenario::parse("my.toml", &text).unwrap().server;
    assert_eq!((server.address_per_second, server.address_burst), (7, 7));
    assert_eq!((server.account_per_second, server.account_burst), (0, 2), "no limit, whatever the burst");
    let none = Scenario::parse("my.toml", GOOD).unwrap().server;
    assert_eq!((none.address_per_second, none.account_per_second), (0, 0));
    assert!(none.address_burst > 0, "a server does not start with a burst of 0");
}

#[test]
fn the_stampede_asks_two_million_times_a_fifth_of_it_in_ten_seconds() {
    let stampede = Scenario::load("stampede").unwrap();
    let steps = stampede.journeys[0].steps.len();
    assert_eq!((stampede.product.stock, stampede.buyers() * steps), (10_000, 2_000_000));
    let doors = &stampede.phases[0];
    assert_eq!((doors.buyers * steps, doors.duration), (400_000, Some(Duration::from_secs(10))));
}

#[test]
fn a_scale_is_of_buyers_rates_and_units_and_not_of_time() {
    let scaled =
        |scale| Scenario::load("stampede").unwrap().with(Overrides { scale: Some(scale), ..Overrides::default() });
    let tenth = scaled(0.1).unwrap();
    assert_eq!((tenth.product.stock, tenth.buyers(), tenth.connections()), (1_000, 40_000, 1_000));
    let Arrivals::Open(rate) = tenth.phases[0].arrivals else { panic!("{tenth:?}") };
    assert_eq!((rate.burst, rate.per_second.round()), (1_000, 700.0));
    assert_eq!((tenth.phases[0].buyers, tenth.phases[0].duration), (8_000, Some(Duration::from_secs(10))));
    for (bad, error) in [
        (0.0, "--scale: 0 is not allowed; allowed: 0.001 to 100"),
        (f64::NAN, "--scale: NaN is not allowed"),
        (3.0, "--scale: 3 times as many are 1200000 buyers and 30000 units; allowed: 1000000 and 1000000000"),
    ] {
        let found = scaled(bad).unwrap_err().to_string();
        assert!(found.starts_with(error), "{found}");
    }
}

#[test]
fn buyers_of_the_command_line_are_shared_out_among_the_phases() {
    let send = |buyers| {
        let overrides = Overrides { buyers: Some(buyers), ..Overrides::default() };
        let phases = Scenario::load("stampede").unwrap().with(overrides).unwrap().phases;
        phases.iter().map(|phase| (phase.buyers, phase.connections)).collect::<Vec<_>>()
    };
    assert_eq!(send(1_001), [(200, 200), (801, 801)]);
    assert_eq!(send(1), [(1, 1)], "a phase to which nobody comes is none");
}

#[test]
fn shares_are_from_0_to_1() {
    for bad in ["1.5", "-0.1", "nan"] {
        let error = refused("[[journeys]]", &format!("[payment]\nabandon_rate = {bad}\n[[journeys]]"));
        assert!(error.contains("my.toml:10: payment.abandon_rate: ") && error.contains("0.0 to 1.0"), "{error}");
    }
    assert!(refused("[[journeys]]", "[verdict]\np99_ms_max = 0\n[[journeys]]").contains("above 0"));
}

#[test]
fn flags_override_within_the_same_bounds() {
    let scenario = Scenario::load("flash-sale").unwrap();
    let overrides = Overrides { buyers: Some(30), stock: Some(7), duration: Some(Duration::from_secs(2)), scale: None };
    let small = scenario.clone().with(overrides).unwrap();
    assert_eq!((small.buyers(), small.connections(), small.product.stock), (30, 30, 7));
    assert_eq!(small.duration, Some(Duration::from_secs(2)));
    let overrides = Overrides { buyers: Some(0), ..Overrides::default() };
    let error = scenario.with(overrides).unwrap_err().to_string();
    assert_eq!(error, "--users: 0 is not allowed; allowed: 1 to 1000000");
}

#[test]
fn a_scenario_that_is_not_there_is_named() {
    let error = Scenario::load("flash-sail").unwrap_err();
    assert_eq!(error.code(), "scenario_not_found");
    assert!(error.to_string().contains("'flash-sail'"), "{error}");
}

#[test]
fn durations_are_read_as_people_write_them() {
    for (text, seconds) in [("45s", 45), ("5m", 300), ("1h", 3_600), ("30", 30)] {
        assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
    }
    for bad in ["", "s", "-1s", "1.5m", "1d", "초", "0", "0s", "25h", "86401"] {
        assert!(parse_duration(bad).is_err(), "{bad}");
    }
}
