//! The example for nginx, in a real nginx: buyers behind it are known by their own addresses, and nothing is held back.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use preorder::config::Config;
use reqwest::{Client, Method, Version, redirect};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::support::events::Events;
use crate::support::{Asker, PASSWORD, TestApp, all_pay, in_time, not_tested, reservation};

/// An nginx in front of a server; it ends with this.
struct Nginx {
    plain: SocketAddr,
    tls: SocketAddr,
    client: Client,
    process: Child,
    _folder: TempDir,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _is_gone_already = self.process.kill();
        let _is_waited_for = self.process.wait();
    }
}

impl Nginx {
    /// Starts it with `deploy/nginx.conf`, save for addresses and files; `None` when there is none, except in CI.
    async fn before(app: &TestApp) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let certified = rcgen::generate_simple_self_signed(vec!["shop.example".to_owned()]).unwrap();
        std::fs::write(path.join("cert.pem"), certified.cert.pem()).unwrap();
        std::fs::write(path.join("key.pem"), certified.signing_key.serialize_pem()).unwrap();
        let [plain, tls] = free_addresses();
        let example = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/nginx.conf")).unwrap();
        let mut site = example.lines().filter(|line| !line.contains("listen [::]")).collect::<Vec<_>>().join("\n");
        for (theirs, ours) in [
            ("127.0.0.1:8080", app.address.to_string()),
            ("listen 80;", format!("listen {plain};")),
            ("listen 443 ", format!("listen {tls} ")),
            ("/etc/ssl/shop.example/fullchain.pem", path.join("cert.pem").display().to_string()),
            ("/etc/ssl/shop.example/privkey.pem", path.join("key.pem").display().to_string()),
        ] {
            assert!(site.contains(theirs), "the example has {theirs}");
            site = site.replace(theirs, &ours);
        }
        let whole = format!(
            "daemon off; master_process off; pid {0}/pid; error_log {0}/errors;\nevents {{}}\nhttp {{\naccess_log off; \
             client_body_temp_path {0}/b; proxy_temp_path {0}/p; fastcgi_temp_path {0}/f; uwsgi_temp_path {0}/u; \
             scgi_temp_path {0}/s;\n{site}\n}}\n",
            path.display()
        );
        std::fs::File::create(path.join("nginx.conf")).unwrap().write_all(whole.as_bytes()).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-c").arg(path.join("nginx.conf")).stderr(Stdio::null());
        let Ok(process) = command.spawn() else {
            not_tested("deploy/nginx.conf is not tested: install Debian's 'nginx-light'");
            return None;
        };
        in_time(async {
            while TcpStream::connect(tls).await.is_err() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let trusted = reqwest::Certificate::from_pem(certified.cert.pem().as_bytes()).unwrap();
        let client = Client::builder()
            .tls_certs_only([trusted])
            .redirect(redirect::Policy::none())
            .resolve("shop.example", tls)
            .build()
            .unwrap();
        Some(Self { plain, tls, client, process, _folder: folder })
    }

    /// Somebody who comes through it.
    fn visitor(&self) -> Asker {
        Asker::through(self.client.clone(), &format!("https://shop.example:{}", self.tls.port()))
    }
}

/// Two addresses that nobody listened on a moment ago: nginx can't choose by itself.
fn free_addresses() -> [SocketAddr; 2] {
    let bound = [(); 2].map(|()| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    bound.map(|listener| listener.local_addr().unwrap())
}

fn behind_nginx(config: &mut Config) {
    all_pay(config);
    config.proxy.trusted = vec!["127.0.0.1/32".parse().unwrap()];
}

#[tokio::test]
async fn a_purchase_and_a_stream_pass_through_nginx() {
    let app = TestApp::with(behind_nginx).await;
    let Some(nginx) = Nginx::before(&app).await else { return };
    app.sell(reservation("100", 5)).await;
    let ann = app.user("ann").await;
    let there = nginx.visitor();
    let response = there.request(Method::GET, "/stocks/stream?productId=100").send().await.unwrap();
    let mut stream = Events { response, heard: Vec::new() };
    assert!(stream.block().await.unwrap().starts_with(": listening"));
    assert_eq!(stream.response.version(), Version::HTTP_2);
    assert_eq!(stream.next().await.data["available"], 5);
    ann.over(&there).post("/payments/pre-order", &json!({"productId": "100"})).await.ok(201);
    assert_eq!(stream.next().await.data["available"], 4, "at once, although the stream goes on");

    let login = there.post("/users/login", &json!({"email": "ann@example.com", "password": PASSWORD})).await;
    assert!(login.header("set-cookie").contains("Secure"), "the server knows that its buyer came over TLS");
    assert_eq!(login.header("strict-transport-security"), "max-age=31536000");
    let metrics = there.request(Method::GET, "/metrics").send().await.unwrap();
    assert_eq!(metrics.status(), 403, "nginx keeps them from the world");

    let plain = nginx.client.get(format!("http://{}/shop/100?x=1", nginx.plain)).send().await.unwrap();
    assert_eq!(plain.status(), 301);
    assert!(plain.headers()["location"].to_str().unwrap().ends_with("/shop/100?x=1"));
}

#[tokio::test]
async fn nobody_takes_anothers_address_through_nginx() {
    let app = TestApp::with(|config| {
        behind_nginx(config);
        config.limits.address_per_second = 1;
        config.limits.address_burst = 5;
    })
    .await;
    let Some(nginx) = Nginx::before(&app).await else { return };
    let there = nginx.visitor();
    let mut last = 0;
    for host in 1..=20 {
        let request = there.request(Method::GET, "/products").header("x-forwarded-for", format!("203.0.113.{host}"));
        last = there.send(request).await.status.as_u16();
    }
    assert_eq!(last, 429, "they all are one, whatever they say");
    // nginx itself is believed: it names each client.
    for host in 1..=20 {
        let direct = app.anonymous();
        let request = direct.request(Method::GET, "/products").header("x-forwarded-for", format!("203.0.113.{host}"));
        direct.send(request).await.ok(200);
    }
}
