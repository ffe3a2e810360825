// Which sanitizer this was built with: GCC and clang tell it each in its own way.
#pragma once

namespace xase::test {

#if defined(__has_feature)
inline constexpr bool kAddressSanitized = __has_feature(address_sanitizer);
inline constexpr bool kThreadSanitized = __has_feature(thread_sanitizer);
#else
#ifdef __SANITIZE_ADDRESS__
inline constexpr bool kAddressSanitized = true;
#else
inline constexpr bool kAddressSanitized = false;
#endif
#ifdef __SANITIZE_THREAD__
inline constexpr bool kThreadSanitized = true;
#else
inline constexpr bool kThreadSanitized = false;
#endif
#endif

// Many times slower, and with memory of the sanitizer's own.
inline constexpr bool kSanitized = kAddressSanitized || kThreadSanitized;

}  // namespace xase::test
