//! Korean.

use super::{Frame, Time, Trouble, Words};

pub(super) const WORDS: Words = Words {
    frame: Frame {
        shop_name: "preorder",
        skip: "본문으로 건너뛰기",
        menu: "주 메뉴",
        products: "상품",
        feed: "뉴스피드",
        orders: "내 주문",
        me: "내 정보",
        sign_in: "로그인",
        sign_up: "회원가입",
        sign_out: "로그아웃",
        light: "밝은 화면",
        dark: "어두운 화면",
        language: "언어",
        footer: "모든 수량은 정확히 한 번만 셉니다. 없는 것은 팔지 않습니다.",
        earlier: "이전",
        later: "다음",
        more: "다음 페이지",
        first_page: "첫 페이지",
        required: "필수",
        optional: "선택",
        back: "뒤로",
    },
    time: Time { days: "일", hours: "시간", minutes: "분", seconds: "초", days_long: "일" },
    trouble: Trouble {
        sign_in_first: "로그인이 필요합니다",
        not_found: "찾으시는 것이 없습니다",
        stale: "오래된 양식입니다",
        forbidden: "권한이 없습니다",
        busy: "잠시만 기다려 주세요",
        internal: "서버에 문제가 생겼습니다",
        refused: "처리하지 못했습니다",
        to_products: "상품 보기",
        to_page: "페이지로 돌아가기",
        request: "요청 번호 {0}",
    },
};
