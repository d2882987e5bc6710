// One rule for what lies in a folder: hidden files, links, suffixes of all spellings, lists from all editors.
#include "data/sets/listing.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "data/images/image_io.h"
#include "data/sets/pairing.h"
#include "tests/data/png_bytes.h"
#include "tests/harness/temp_folder.h"

namespace rein::data {
namespace {

using test::contains;
using test::message_of;
using test::text_of;
namespace fs = std::filesystem;

struct Folder : test::TempFolder {
  void put(const std::string& name) const {
    fs::create_directories((*this / name).parent_path());
    write(name, text_of(test::make_png(3, 2, 8, 0, {{0, 1, 1}, {1, 0, 255}})));
  }
};

Description description(const std::string& image, const std::string& more = "") {
  return parse_description("name = \"s\"\nclasses = [\"a\", \"b\"]\n[splits.all]\nimage = \"" + image +
                               "\"\nlabel = \"labels/{}.png\"\n" + more + "\n[labels]\nencoding = \"index\"\n",
                           "s.toml");
}

TEST_CASE("Photos are listed with what is left out, links are followed and loops end") {
  const Folder folder;
  for (const char* name :
       {"p/b.png", "p/a.JPG", "p/sub/c.jpeg", "real/d.png", "p/.hidden.png", "p/.ipynb_checkpoints/a.png",
        "p/__MACOSX/a.png", "p/Thumbs.db", "p/x.heic", "p/notes.txt", "p/out/r_ids.png"})
    folder.put(name);
  fs::create_directory_symlink("../real", folder / "p/linked");
  fs::create_symlink("../real/d.png", folder / "p/one.png");
  fs::create_directory_symlink("..", folder / "p/sub/up");
  fs::create_symlink("/nowhere/e.png", folder / "p/e.png");
  REQUIRE(::mkfifo((folder / "p/pipe.png").c_str(), 0600) == 0);
  const Listing found = list_photos(folder / "p", folder / "p/out");
  std::vector<std::string> names;
  for (const fs::path& file : found.files) names.push_back(file.lexically_relative(folder / "p").generic_string());
  CHECK(names == std::vector<std::string>{"a.JPG", "b.png", "linked/d.png", "one.png", "sub/c.jpeg"});
  const std::string text = left_out_text(found.left_out, folder / "p");
  for (const char* part : {"2: hidden (\".hidden.png\", \".ipynb_checkpoints\")", "2: left by a system",
                           "1: a link to nothing (\"e.png\")", "1: a link back to a folder around it (\"sub/up\")",
                           "1: HEIC is not read (\"x.heic\")", "1: no regular file (\"pipe.png\")",
                           "1: by its suffix no photo (\"notes.txt\")"})
    CHECK_MESSAGE(contains(text, part), text);
  fs::create_directory(folder / "Images");
  CHECK(contains(message_of<std::runtime_error>([&] { list_files(folder / "images"); }), "did you mean \"Images\"?"));
}

TEST_CASE("A pattern's suffix stands for its spellings; its own wins") {
  const Folder folder;
  for (const char* name : {"images/1.jpg", "images/2.JPG", "images/3.jpeg", "images/3.JPG", "images/5.jpg",
                           "images/5.JPEG", "images/._1.jpg", "images/7.webp", "labels/1.png", "labels/2.PNG",
                           "labels/3.png", "labels/5.png", "labels/._1.png"})
    folder.put(name);
  const Description set = description("images/{}.jpg");
  const Pairing found = look_for_pairs(set, "all", folder.path());
  REQUIRE(found.pairs.size() == 4);
  CHECK(found.pairs[1].image.filename() == "2.JPG");
  CHECK(found.pairs[1].label.filename() == "2.PNG");
  CHECK(found.pairs[3].image.filename() == "5.jpg");
  CHECK(found.unlabelled.empty());
  const std::string text = left_out_text(found.left_out, folder.path());
  CHECK(contains(text, "2: beside another of the same name"));
  CHECK(contains(text, "\"images/7.webp\""));
  folder.write("list.txt",
               "\xEF\xBB\xBF"
               "1\r\n./images/2.JPG\r\n" +
                   (folder / "images/5.jpg").string() + "\n");
  CHECK(look_for_pairs(description("images/{}.jpg", "list = \"list.txt\""), "all", folder.path()).pairs.size() == 3);
  folder.write("list.txt", std::string("\xFF\xFE"
                                       "1\0\n\0",
                                       6));
  CHECK(contains(message_of<std::runtime_error>([&] {
                   look_for_pairs(description("images/{}.jpg", "list = \"list.txt\""), "all", folder.path());
                 }),
                 "UTF-16"));
  CHECK(look_for_pairs(description("images/{}.jpg", "except = [\"1\", \"3\"]"), "all", folder.path()).pairs.size() ==
        2);
  CHECK(look_for_pairs(description("images/{}.jpg", "match = [\"1\", \"[3]\"]"), "all", folder.path()).pairs.size() ==
        1);
}

TEST_CASE("What lacks its partner is told with the file that lies there instead") {
  const Folder folder;
  for (const char* name : {"images/a.png", "labels/a_ids.png"}) folder.put(name);
  const auto error = [&] {
    return message_of<std::runtime_error>([&] { Dataset(description("images/{}.png"), folder.path(), "all"); });
  };
  CHECK(contains(error(), "for the first there is \"labels/a_ids.png\", the pattern is \"labels/{}.png\""));
  for (const char* name : {"labels/a.png", "labels/b.png", "images/b.heic"}) folder.put(name);
  fs::remove(folder / "labels/a_ids.png");
  CHECK(contains(error(), "there is \"images/b.heic\""));

  const Folder streets;  // the photos and labels of Cityscapes as they are downloaded
  streets.put("leftImg8bit/train/c/c_1_leftImg8bit.png");
  streets.put("gtFine/train/c/c_1_gtFine_labelIds.png");
  CHECK(contains(message_of<std::runtime_error>([&] { open_dataset("cityscapes", streets.path(), "train"); }),
                 "cityscapes_label_ids.toml reads such files"));
}

}  // namespace
}  // namespace rein::data
