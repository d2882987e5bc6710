#include "tensor/io/sha256.h"

#include <doctest/doctest.h>

#include <stdexcept>
#include <vector>

#include "tensor/random.h"
#include "tests/harness/temp_folder.h"

using rein::Sha256;
using rein::sha256;
using rein::test::TempFolder;

TEST_CASE("sha256: published vectors (FIPS 180-4 examples, NIST CAVP)") {
  CHECK(sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(sha256("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrs"
               "mnopqrstnopqrstu") == "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  CHECK(sha256(std::string(1'000'000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("sha256: how the bytes are cut into updates does not matter") {
  std::string text;
  const rein::RandomKey key(5);
  for (std::uint64_t i = 0; i < 1000; ++i) text += static_cast<char>(key.below(i, 256));
  for (std::size_t length : {0u, 1u, 55u, 56u, 63u, 64u, 65u, 119u, 120u, 127u, 128u, 1000u}) {
    const std::string whole = sha256(std::string_view(text).substr(0, length));
    for (std::size_t step : {1u, 7u, 63u, 64u, 65u, 300u}) {
      Sha256 hash;
      for (std::size_t i = 0; i < length; i += step) hash.update(text.data() + i, std::min(step, length - i));
      CHECK(hash.hex() == whole);
    }
  }
}

TEST_CASE("sha256: the two implementations agree") {
  if (!rein::sha256_detail::has_x86()) {
    MESSAGE("this machine has no SHA instructions: only the plain code was tested");
    return;
  }
  std::vector<std::uint8_t> data(64 * 9);
  const rein::RandomKey key(6);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::uint8_t>(key.below(i, 256));
  for (std::size_t blocks = 0; blocks <= 9; ++blocks) {
    std::array<std::uint32_t, 8> plain{}, fast{};
    for (std::size_t i = 0; i < 8; ++i) plain[i] = fast[i] = static_cast<std::uint32_t>(key.bits(1000 + i));
    rein::sha256_detail::compress_plain(plain.data(), data.data(), blocks);
    rein::sha256_detail::compress_x86(fast.data(), data.data(), blocks);
    CHECK(plain == fast);
  }
}

TEST_CASE("sha256: files") {
  const TempFolder folder;
  const std::string text(700'000, 'q');  // more than one piece of reading
  CHECK(rein::sha256_of_file(folder.write("a", text)) == sha256(text));
  CHECK(rein::sha256_of_file(folder.write("empty", "")) == sha256(""));
  CHECK_THROWS_AS(rein::sha256_of_file(folder / "absent"), std::runtime_error);
  CHECK_THROWS_AS(rein::sha256_of_file(folder.path()), std::runtime_error);
}

TEST_CASE("sha256: the digest is taken once") {
  Sha256 hash;
  hash.hex();
  CHECK_THROWS_AS(hash.hex(), std::invalid_argument);
  CHECK_THROWS_AS(hash.update("a", 1), std::invalid_argument);
}
