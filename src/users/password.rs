//! Password hashes (argon2id), made on threads of their own.
//!
//! A hash costs tens of milliseconds and 19 MiB by design. On the async threads it would stop everybody's requests, and
//! without a bound a storm of logins would eat the memory: so a few threads hash, a few jobs wait, and more are refused.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::oneshot;

use crate::config::PasswordConfig;
use crate::kernel::error::{Error, Kind, Text};

type Job = Box<dyn FnOnce(&Argon2<'static>) + Send>;

/// The threads that hash.
pub(super) struct PasswordPool {
    jobs: flume::Sender<Job>,
    nobodys: String,
}

impl PasswordPool {
    /// Starts the threads; they end with the pool.
    ///
    /// # Errors
    /// When argon2 does not allow the parameters.
    pub(super) fn start(config: &PasswordConfig) -> Result<Self, Error> {
        let params = Params::new(config.memory_kib, config.iterations, 1, None).map_err(|error| {
            let detail = Text::made(
                format!("The password hash's parameters are not allowed: {error}; see [password]."),
                format!("비밀번호 해시 설정이 허용되지 않습니다: {error}"),
            );
            Error::new(Kind::Conflict, "password_parameters", detail)
        })?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let (jobs, waiting) = flume::bounded::<Job>(config.queue_length);
        for number in 0..config.threads.max(1) {
            let (argon2, waiting) = (argon2.clone(), waiting.clone());
            let body = move || waiting.iter().for_each(|job| job(&argon2));
            std::thread::Builder::new()
                .name(format!("preorder-hash-{number}"))
                .spawn(body)
                .map_err(|error| Error::internal(format!("starting a hashing thread: {error}")))?;
        }
        Ok(Self { jobs, nobodys: nobodys_hash(config) })
    }

    /// The hash of a new password, with a fresh salt, as a PHC string.
    ///
    /// # Errors
    /// `429 login_busy` when too many wait.
    pub(super) async fn hash(&self, password: String) -> Result<String, Error> {
        self.run(move |argon2| {
            let hash = argon2.hash_password(password.as_bytes());
            hash.map(|hash| hash.to_string()).map_err(|error| Error::internal(format!("hashing a password: {error}")))
        })
        .await?
    }

    /// Whether `password` is the one that `hash` was made of. Nobody's hash (`None`) is no password's, and finding that
    /// out takes as long as with somebody's.
    ///
    /// # Errors
    /// `429 login_busy` when too many wait.
    pub(super) async fn verify(&self, password: String, hash: Option<String>) -> Result<bool, Error> {
        let hash = hash.unwrap_or_else(|| self.nobodys.clone());
        self.run(move |argon2| {
            let hash = PasswordHash::new(&hash).map_err(|error| Error::internal(format!("a stored hash: {error}")))?;
            Ok(argon2.verify_password(password.as_bytes(), &hash).is_ok())
        })
        .await?
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Argon2<'static>) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |argon2| {
            // Whoever hung up while waiting costs nothing more.
            if !reply.is_closed() {
                drop(reply.send(work(argon2)));
            }
        });
        self.jobs.try_send(job).map_err(|_| login_busy())?;
        answer.await.map_err(|_| Error::internal("a hashing thread ended"))
    }
}

/// Too many passwords wait to be hashed.
pub(super) fn login_busy() -> Error {
    let detail = Text::fixed(
        "Too many people are logging in; try again in a moment.",
        "로그인 요청이 많습니다. 잠시 후 다시 시도하세요.",
    );
    Error::new(Kind::TooMany, "login_busy", detail).retry_after_s(1)
}

/// A hash that costs as much to check as a real one and that no password gives: its output is made up.
fn nobodys_hash(config: &PasswordConfig) -> String {
    let (salt, output) = ("A".repeat(22), "A".repeat(43)); // 16 and 32 bytes of zeros in unpadded base64
    format!("$argon2id$v=19$m={},t={},p=1${salt}${output}", config.memory_kib, config.iterations)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: PasswordConfig = PasswordConfig { memory_kib: 8, iterations: 1, threads: 1, queue_length: 1 };

    #[tokio::test]
    async fn a_hash_is_of_one_password() {
        let pool = PasswordPool::start(&CHEAP).unwrap();
        let hash = pool.hash("correct horse".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{hash}");
        assert!(pool.verify("correct horse".to_owned(), Some(hash.clone())).await.unwrap());
        assert!(!pool.verify("wrong horse".to_owned(), Some(hash)).await.unwrap());
        assert!(!pool.verify("correct horse".to_owned(), None).await.unwrap());
    }

    #[tokio::test]
    async fn more_than_the_queue_holds_is_refused() {
        let pool = PasswordPool::start(&CHEAP).unwrap();
        let (started, begun) = oneshot::channel();
        let (finish, finished) = std::sync::mpsc::channel::<()>();
        let hold_the_thread = pool.run(move |_| {
            started.send(()).unwrap();
            finished.recv().unwrap();
        });
        let refuse_the_third = async {
            begun.await.unwrap();
            let mut second = Box::pin(pool.hash("waits".to_owned()));
            assert!(futures_util::poll!(&mut second).is_pending());
            let third = pool.hash("is refused".to_owned()).await.unwrap_err();
            assert_eq!((third.code(), third.parts().retry_after_s), ("login_busy", Some(1)));
            finish.send(()).unwrap();
            second.await.unwrap();
        };
        let (held, ()) = tokio::join!(hold_the_thread, refuse_the_third);
        held.unwrap();
    }
}
