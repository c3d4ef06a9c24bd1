//! What a decision costs. `cargo test --release -p portcullis-policy --test decisions -- --ignored --nocapture cost`

use std::{collections::BTreeMap, hint::black_box, time::Instant};

use portcullis_policy::{Allow, Asked, Conditions, Identity, RouteId, Weekday, Window};

use crate::{alice, asked, compile, name, only, route};

const ROUNDS: u32 = 20_000;

#[test]
#[ignore = "a measurement"]
fn the_cost_of_a_decision_among_a_hundred_routes() {
    let from =
        |count: u16| (0..count).map(|at| format!("10.{}.{}.0/24", at / 200, at % 200).parse().unwrap()).collect();
    let groups = || vec!["dba".to_owned(), "ops".to_owned()];
    let time = Window::new([Weekday::Thursday], Some((480, 1020)));
    let full = Conditions {
        from: vec!["10.0.0.0/8".parse().unwrap()],
        users: vec![name("alice@example.com"), name("bob@example.com")],
        groups: groups(),
        claims: BTreeMap::from([("team".to_owned(), vec!["shop".to_owned()])]),
        time,
        ..Conditions::default()
    };
    let shapes = [
        ("anyone", Allow::Anyone),
        ("two groups", only(Conditions { groups: groups(), ..Conditions::default() })),
        ("users, groups, a claim, a range, hours", only(full)),
        ("10000 ranges", only(Conditions { from: from(10_000), ..Conditions::default() })),
    ];
    let routes = (0..100).map(|at| route(&format!("r{at}"), shapes[at % 4].1.clone(), Conditions::default()));
    let own = "forbid (principal, action == Action::\"request\", resource) when { context.path like \"/internal/*\" };";
    for (title, own) in [("", &[][..]), (", one policy of one's own", &[("own.cedar", own)])] {
        let started = Instant::now();
        let set = compile(routes.clone().collect(), own);
        println!("{:>10.1} ms to compile 100 routes{title}", started.elapsed().as_secs_f64() * 1e3);
        let many =
            Identity { groups: (0..500).map(|at| format!("g{at}")).chain(["dba".to_owned()]).collect(), ..alice() };
        for (kind, identity) in [("", alice()), (", 501 groups", many)] {
            let caller = set.caller(&identity);
            for (at, (shape, _)) in shapes.iter().enumerate() {
                let asked =
                    Asked { route: RouteId(40 + at as u32), source: [10, 7, 2, 3].into(), ..asked(Some(&caller)) };
                assert!(set.decide(&asked).allowed, "{shape}");
                let started = Instant::now();
                for _ in 0..ROUNDS {
                    black_box(set.decide(black_box(&asked)));
                }
                let each = started.elapsed().as_nanos() / u128::from(ROUNDS);
                println!("{each:>10} ns {shape}{kind}{title}");
            }
        }
    }
}
