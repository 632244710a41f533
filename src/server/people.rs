//! Which requests are people's: those for a page, and those of browsers that lead nowhere.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::header::ACCEPT;

use crate::app::App;
use crate::http::{ErrorPage, ForPeople, Route};
use crate::pages::{self, Pages};

/// Tells pages from programs' routes by how their paths begin.
pub(super) struct People {
    pages: Arc<Pages>,
    peoples: BTreeSet<&'static str>,
    programs: BTreeSet<&'static str>,
}

impl People {
    /// The people who are served `routes`; `None` when there are no pages among them.
    pub(super) fn of(app: &App, routes: &[Route]) -> Option<Self> {
        let pages = pages(app);
        let roots = |routes: &[Route]| routes.iter().map(|route| root(route.path)).collect::<BTreeSet<_>>();
        let peoples = roots(pages::routes(Arc::clone(&pages)).list());
        let programs: BTreeSet<_> = roots(routes).difference(&peoples).copied().collect();
        let are_served = routes.iter().any(|route| peoples.contains(root(route.path)));
        are_served.then(|| Self { pages, peoples, programs })
    }
}

impl ForPeople for People {
    fn are_asked(&self, request: &Request) -> bool {
        let root = root(request.uri().path());
        self.peoples.contains(root) || (!self.programs.contains(root) && is_browsers(request))
    }

    fn error_page(&self, request: &Request) -> ErrorPage {
        self.pages.error_page(request)
    }
}

/// The pages over an app's services.
pub(super) fn pages(app: &App) -> Arc<Pages> {
    Arc::new(Pages {
        users: Arc::clone(&app.users),
        products: Arc::clone(&app.products),
        payments: Arc::clone(&app.payments),
        purchases: Arc::clone(&app.purchases),
        activity: Arc::clone(&app.activity),
        newsfeed: Arc::clone(&app.newsfeed),
        stock: Arc::clone(&app.stock),
        trail: Arc::clone(&app.trail),
        auditor: Arc::clone(&app.auditor),
        pulse: Arc::clone(&app.pulse),
        clock: Arc::clone(&app.clock),
    })
}

/// The first word of a path.
fn root(path: &str) -> &str {
    path.trim_start_matches('/').split('/').next().unwrap_or_default()
}

fn is_browsers(request: &Request) -> bool {
    request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|it| it.contains("text/html"))
}
