//! `renewalInfo` and `ranking.json` beside nginx.

use anyhow::bail;

use super::figures::Figures;
use super::http::{self, Page};
use super::load::{Ask, Expect};
use super::nginx::{self, Nginx, Processes};
use super::registry::cert_id;
use super::rows::Part;
use super::service::Offpeak;
use super::setup::{FEW_CERTIFICATES, Setup, free_address};
use super::side::{CONNECTIONS, Latencies, Rates, Side, latencies, most};

/// `renewalInfo` of random certificates, and nginx with the same headers and as long a body.
pub(super) fn renewal_info(setup: &Setup, figures: &mut Figures) -> anyhow::Result<()> {
    let rows = setup.size.certificates;
    let database = setup.registry(rows, "serving")?;
    let ours = Offpeak::start(&database, &setup.path("offpeak"))?;
    let page = renewal_info_page(&ours)?;
    let theirs = Nginx::start(
        nginx::program(),
        &setup.path("nginx-return"),
        Processes::MasterAndWorker,
        free_address()?,
        &nginx::returning(&page),
    )?;
    let sides = [
        (&ours.process, ours.public),
        (&theirs.process, theirs.address),
    ]
    .map(|(process, address)| Side {
        process,
        address,
        ask: Ask::Registered(rows),
        expect: Expect::window(),
        connections: CONNECTIONS,
    });
    let rates = most(&sides, &setup.size)?;
    let half = [rates[0].median() / 2.0, rates[1].median() / 2.0];
    let latencies = latencies(&sides, half, &setup.size)?;
    figures.put("renewal_info", &rates[0].per_second)?;
    figures.put("nginx_return", &rates[1].per_second)?;
    let [by_time, by_cpu] = ["renewal_info_to_nginx", "renewal_info_to_nginx_by_cpu"];
    figures.put_ratios(by_time, &rates[0].per_second, &rates[1].per_second)?;
    figures.put_ratios(by_cpu, &rates[0].per_cpu_second, &rates[1].per_cpu_second)?;
    let [ours, theirs] = &latencies;
    put_latencies(
        figures,
        ["renewal_info_p50", "renewal_info_p99", "renewal_info_p999"],
        ours,
    )?;
    put_latencies(
        figures,
        ["nginx_return_p50", "nginx_return_p99", "nginx_return_p999"],
        theirs,
    )?;
    figures.put_ratios("renewal_info_p99_to_nginx", &ours.p99, &theirs.p99)?;
    figures.note(
        Part::Serving,
        format!(
            "{rows} certificates. {} Latencies at {:.0} and {:.0} requests/s.",
            shares(&rates),
            half[0],
            half[1]
        ),
    );
    Ok(())
}

/// `ranking.json`, and nginx with the same file.
pub(super) fn ranking(setup: &Setup, figures: &mut Figures) -> anyhow::Result<()> {
    const PATH: &str = "/ranking.json";
    // The document is as long however many there are, and few are loaded sooner.
    let database = setup.registry(FEW_CERTIFICATES, "ranking")?;
    let ours = Offpeak::start(&database, &setup.path("offpeak"))?;
    let page = http::get(ours.public, PATH)?;
    if page.status != 200 {
        bail!("{PATH} is answered with {}", page.status);
    }
    let folder = setup.path("nginx-file");
    let theirs = Nginx::start(
        nginx::program(),
        &folder,
        Processes::MasterAndWorker,
        free_address()?,
        &nginx::filing(&page, &folder.join("files"))?,
    )?;
    let sides = [
        (&ours.process, ours.public),
        (&theirs.process, theirs.address),
    ]
    .map(|(process, address)| Side {
        process,
        address,
        connections: CONNECTIONS,
        ask: Ask::Path(PATH.to_owned()),
        expect: Expect {
            statuses: vec![200],
            body_octets: Some(page.body.len()),
            begins: String::from_utf8_lossy(&page.body)
                .chars()
                .take(30)
                .collect(),
        },
    });
    let rates = most(&sides, &setup.size)?;
    figures.put("ranking", &rates[0].per_second)?;
    figures.put("nginx_file", &rates[1].per_second)?;
    let [by_time, by_cpu] = ["ranking_to_nginx", "ranking_to_nginx_by_cpu"];
    figures.put_ratios(by_time, &rates[0].per_second, &rates[1].per_second)?;
    figures.put_ratios(by_cpu, &rates[0].per_cpu_second, &rates[1].per_cpu_second)?;
    let octets = page.body.len();
    figures.note(
        Part::Ranking,
        format!("{octets} octets. {}", shares(&rates)),
    );
    let [of_ranking, _] = sides;
    best_time(of_ranking, setup, figures)
}

/// `/v1/best-time`, drawn anew for everybody who asks, and the file that says as much to all.
fn best_time(ranking: Side<'_>, setup: &Setup, figures: &mut Figures) -> anyhow::Result<()> {
    let best_time = Side {
        ask: Ask::Path("/v1/best-time".to_owned()),
        expect: Expect {
            statuses: vec![200],
            body_octets: None,
            begins: "{\"ca\":".to_owned(),
        },
        ..ranking
    };
    let rates = most(&[best_time, ranking], &setup.size)?;
    let [best_time, ranking] = &rates;
    figures.put("best_time", &best_time.per_second)?;
    figures.put_ratios(
        "best_time_to_ranking",
        &best_time.per_second,
        &ranking.per_second,
    )
}

/// The first certificate's `renewalInfo`: what nginx imitates.
pub(super) fn renewal_info_page(ours: &Offpeak) -> anyhow::Result<Page> {
    let id = cert_id(0);
    let path = format!("/renewal-info/{}", String::from_utf8_lossy(&id));
    let page = http::get(ours.public, &path)?;
    if page.status != 200 {
        bail!("{path} is answered with {}", page.status);
    }
    Ok(page)
}

fn put_latencies(
    figures: &mut Figures,
    names: [&'static str; 3],
    latencies: &Latencies,
) -> anyhow::Result<()> {
    let Latencies { p50, p99, p999 } = latencies;
    for (name, values) in names.into_iter().zip([p50, p99, p999]) {
        figures.put(name, values)?;
    }
    Ok(())
}

fn shares(rates: &[Rates; 2]) -> String {
    let [ours, theirs] = rates.each_ref().map(Rates::shares);
    format!("offpeak: {ours}; nginx: {theirs}.")
}
