//! Sets of one byte a letter: ISO 8859, Windows, KOI8.
//!
//! Each entry: Java's name, other names in lower case, and where bytes are not the letters of
//! their own number: `80:20AC` a byte, `A1-FF:0401` a run of letters, `81:-` nothing.
//!
//! Source: what Java 17 decodes and encodes, byte by byte.

use super::SingleByte;

/// The sets.
pub(super) static SETS: &[SingleByte] = &[
    SingleByte {
        name: "ISO-8859-13",
        aliases: "8859_13 iso8859-13 iso8859_13 iso_8859-13",
        letters: "A1:201D A5:201E A8:00D8 AA:0156 AF:00C6 B4:201C B8:00F8 BA:0157 BF:00E6 C0:0104 \
                  C1:012E C2:0100 C3:0106 C6:0118 C7:0112 C8:010C CA:0179 CB:0116 CC:0122 CD:0136 \
                  CE:012A CF:013B D0:0160 D1:0143 D2:0145 D4:014C D8:0172 D9:0141 DA:015A DB:016A \
                  DD:017B DE:017D E0:0105 E1:012F E2:0101 E3:0107 E6:0119 E7:0113 E8:010D EA:017A \
                  EB:0117 EC:0123 ED:0137 EE:012B EF:013C F0:0161 F1:0144 F2:0146 F4:014D F8:0173 \
                  F9:0142 FA:015B FB:016B FD:017C FE:017E FF:2019",
    },
    SingleByte {
        name: "ISO-8859-15",
        aliases: "8859_15 923 cp923 csiso885915 csisolatin0 csisolatin9 ibm-923 ibm923 iso8859-15 \
                  iso8859_15 iso8859_15_fdis iso_8859-15 l9 latin-9 latin0 latin9",
        letters: "A4:20AC A6:0160 A8:0161 B4:017D B8:017E BC-BD:0152 BE:0178",
    },
    SingleByte {
        name: "ISO-8859-16",
        aliases: "csiso885916 iso-ir-226 iso8859_16 iso_8859-16 iso_8859-16:2001 l10 latin10",
        letters: "A1-A2:0104 A3:0141 A4:20AC A5:201E A6:0160 A8:0161 AA:0218 AC:0179 AE-AF:017A \
                  B2:010C B3:0142 B4:017D B5:201D B8:017E B9:010D BA:0219 BC-BD:0152 BE:0178 BF:017C \
                  C3:0102 C5:0106 D0:0110 D1:0143 D5:0150 D7:015A D8:0170 DD:0118 DE:021A E3:0103 \
                  E5:0107 F0:0111 F1:0144 F5:0151 F7:015B F8:0171 FD:0119 FE:021B",
    },
    SingleByte {
        name: "ISO-8859-2",
        aliases: "8859_2 912 cp912 csisolatin2 ibm-912 ibm912 iso-ir-101 iso8859-2 iso8859_2 \
                  iso_8859-2 iso_8859-2:1987 l2 latin2",
        letters: "A1:0104 A2:02D8 A3:0141 A5:013D A6:015A A9:0160 AA:015E AB:0164 AC:0179 AE:017D \
                  AF:017B B1:0105 B2:02DB B3:0142 B5:013E B6:015B B7:02C7 B9:0161 BA:015F BB:0165 \
                  BC:017A BD:02DD BE:017E BF:017C C0:0154 C3:0102 C5:0139 C6:0106 C8:010C CA:0118 \
                  CC:011A CF:010E D0:0110 D1:0143 D2:0147 D5:0150 D8:0158 D9:016E DB:0170 DE:0162 \
                  E0:0155 E3:0103 E5:013A E6:0107 E8:010D EA:0119 EC:011B EF:010F F0:0111 F1:0144 \
                  F2:0148 F5:0151 F8:0159 F9:016F FB:0171 FE:0163 FF:02D9",
    },
    SingleByte {
        name: "ISO-8859-3",
        aliases: "8859_3 913 cp913 csisolatin3 ibm-913 ibm913 iso-ir-109 iso8859-3 iso8859_3 \
                  iso_8859-3 iso_8859-3:1988 l3 latin3",
        letters: "A1:0126 A2:02D8 A5:- A6:0124 A9:0130 AA:015E AB:011E AC:0134 AE:- AF:017B B1:0127 \
                  B6:0125 B9:0131 BA:015F BB:011F BC:0135 BE:- BF:017C C3:- C5:010A C6:0108 D0:- \
                  D5:0120 D8:011C DD:016C DE:015C E3:- E5:010B E6:0109 F0:- F5:0121 F8:011D FD:016D \
                  FE:015D FF:02D9",
    },
    SingleByte {
        name: "ISO-8859-4",
        aliases: "8859_4 914 cp914 csisolatin4 ibm-914 ibm914 iso-ir-110 iso8859-4 iso8859_4 \
                  iso_8859-4 iso_8859-4:1988 l4 latin4",
        letters: "A1:0104 A2:0138 A3:0156 A5:0128 A6:013B A9:0160 AA:0112 AB:0122 AC:0166 AE:017D \
                  B1:0105 B2:02DB B3:0157 B5:0129 B6:013C B7:02C7 B9:0161 BA:0113 BB:0123 BC:0167 \
                  BD:014A BE:017E BF:014B C0:0100 C7:012E C8:010C CA:0118 CC:0116 CF:012A D0:0110 \
                  D1:0145 D2:014C D3:0136 D9:0172 DD:0168 DE:016A E0:0101 E7:012F E8:010D EA:0119 \
                  EC:0117 EF:012B F0:0111 F1:0146 F2:014D F3:0137 F9:0173 FD:0169 FE:016B FF:02D9",
    },
    SingleByte {
        name: "ISO-8859-5",
        aliases: "8859_5 915 cp915 csisolatincyrillic cyrillic ibm-915 ibm915 iso-ir-144 iso8859-5 \
                  iso8859_5 iso_8859-5 iso_8859-5:1988",
        letters: "A1-AC:0401 AE-EF:040E F0:2116 F1-FC:0451 FD:00A7 FE-FF:045E",
    },
    SingleByte {
        name: "ISO-8859-6",
        aliases: "1089 8859_6 arabic asmo-708 cp1089 csisolatinarabic ecma-114 ibm-1089 ibm1089 \
                  iso-ir-127 iso8859-6 iso8859_6 iso_8859-6 iso_8859-6:1987",
        letters: "A1-A3:- A5-AB:- AC:060C AE-BA:- BB:061B BC-BE:- BF:061F C0:- C1-DA:0621 DB-DF:- \
                  E0-F2:0640 F3-FF:-",
    },
    SingleByte {
        name: "ISO-8859-7",
        aliases: "813 8859_7 cp813 csisolatingreek ecma-118 elot_928 greek greek8 ibm-813 ibm813 \
                  iso-ir-126 iso8859-7 iso8859_7 iso_8859-7 iso_8859-7:1987 sun_eu_greek",
        letters: "A1-A2:2018 A4:20AC A5:20AF AA:037A AE:- AF:2015 B4-B6:0384 B8-BA:0388 BC:038C \
                  BE-D1:038E D2:- D3-FE:03A3 FF:-",
    },
    SingleByte {
        name: "ISO-8859-8",
        aliases: "8859_8 916 cp916 csisolatinhebrew hebrew ibm-916 ibm916 iso-ir-138 iso8859-8 \
                  iso8859_8 iso_8859-8 iso_8859-8:1988",
        letters: "A1:- AA:00D7 BA:00F7 BF-DE:- DF:2017 E0-FA:05D0 FB-FC:- FD-FE:200E FF:-",
    },
    SingleByte {
        name: "ISO-8859-9",
        aliases: "8859_9 920 cp920 csisolatin5 ibm-920 ibm920 iso-ir-148 iso8859-9 iso8859_9 \
                  iso_8859-9 iso_8859-9:1989 l5 latin5",
        letters: "D0:011E DD:0130 DE:015E F0:011F FD:0131 FE:015F",
    },
    SingleByte {
        name: "KOI8-R",
        aliases: "cskoi8r koi8 koi8_r",
        letters: "80:2500 81:2502 82:250C 83:2510 84:2514 85:2518 86:251C 87:2524 88:252C 89:2534 \
                  8A:253C 8B:2580 8C:2584 8D:2588 8E:258C 8F-92:2590 93:2320 94:25A0 95-96:2219 \
                  97:2248 98-99:2264 9A:00A0 9B:2321 9C:00B0 9D:00B2 9E:00B7 9F:00F7 A0-A2:2550 \
                  A3:0451 A4-B2:2553 B3:0401 B4-BE:2562 BF:00A9 C0:044E C1-C2:0430 C3:0446 C4-C5:0434 \
                  C6:0444 C7:0433 C8:0445 C9-D0:0438 D1:044F D2-D5:0440 D6:0436 D7:0432 D8:044C \
                  D9:044B DA:0437 DB:0448 DC:044D DD:0449 DE:0447 DF:044A E0:042E E1-E2:0410 E3:0426 \
                  E4-E5:0414 E6:0424 E7:0413 E8:0425 E9-F0:0418 F1:042F F2-F5:0420 F6:0416 F7:0412 \
                  F8:042C F9:042B FA:0417 FB:0428 FC:042D FD:0429 FE:0427 FF:042A",
    },
    SingleByte {
        name: "KOI8-U",
        aliases: "koi8_u",
        letters: "80:2500 81:2502 82:250C 83:2510 84:2514 85:2518 86:251C 87:2524 88:252C 89:2534 \
                  8A:253C 8B:2580 8C:2584 8D:2588 8E:258C 8F-92:2590 93:2320 94:25A0 95-96:2219 \
                  97:2248 98-99:2264 9A:00A0 9B:2321 9C:00B0 9D:00B2 9E:00B7 9F:00F7 A0-A2:2550 \
                  A3:0451 A4:0454 A5:2554 A6-A7:0456 A8-AC:2557 AD:0491 AE-B2:255D B3:0401 B4:0404 \
                  B5:2563 B6-B7:0406 B8-BC:2566 BD:0490 BE:256C BF:00A9 C0:044E C1-C2:0430 C3:0446 \
                  C4-C5:0434 C6:0444 C7:0433 C8:0445 C9-D0:0438 D1:044F D2-D5:0440 D6:0436 D7:0432 \
                  D8:044C D9:044B DA:0437 DB:0448 DC:044D DD:0449 DE:0447 DF:044A E0:042E E1-E2:0410 \
                  E3:0426 E4-E5:0414 E6:0424 E7:0413 E8:0425 E9-F0:0418 F1:042F F2-F5:0420 F6:0416 \
                  F7:0412 F8:042C F9:042B FA:0417 FB:0428 FC:042D FD:0429 FE:0427 FF:042A",
    },
    SingleByte {
        name: "TIS-620",
        aliases: "tis620 tis620.2533",
        letters: "80-9F:- A1-DA:0E01 DB-DE:- DF-FB:0E3F FC-FF:-",
    },
    SingleByte {
        name: "windows-1250",
        aliases: "cp1250 cp5346",
        letters: "80:20AC 81:- 82:201A 83:- 84:201E 85:2026 86-87:2020 88:- 89:2030 8A:0160 8B:2039 \
                  8C:015A 8D:0164 8E:017D 8F:0179 90:- 91-92:2018 93-94:201C 95:2022 96-97:2013 98:- \
                  99:2122 9A:0161 9B:203A 9C:015B 9D:0165 9E:017E 9F:017A A1:02C7 A2:02D8 A3:0141 \
                  A5:0104 AA:015E AF:017B B2:02DB B3:0142 B9:0105 BA:015F BC:013D BD:02DD BE:013E \
                  BF:017C C0:0154 C3:0102 C5:0139 C6:0106 C8:010C CA:0118 CC:011A CF:010E D0:0110 \
                  D1:0143 D2:0147 D5:0150 D8:0158 D9:016E DB:0170 DE:0162 E0:0155 E3:0103 E5:013A \
                  E6:0107 E8:010D EA:0119 EC:011B EF:010F F0:0111 F1:0144 F2:0148 F5:0151 F8:0159 \
                  F9:016F FB:0171 FE:0163 FF:02D9",
    },
    SingleByte {
        name: "windows-1251",
        aliases: "ansi-1251 cp1251 cp5347",
        letters: "80-81:0402 82:201A 83:0453 84:201E 85:2026 86-87:2020 88:20AC 89:2030 8A:0409 \
                  8B:2039 8C:040A 8D:040C 8E:040B 8F:040F 90:0452 91-92:2018 93-94:201C 95:2022 \
                  96-97:2013 98:- 99:2122 9A:0459 9B:203A 9C:045A 9D:045C 9E:045B 9F:045F A1:040E \
                  A2:045E A3:0408 A5:0490 A8:0401 AA:0404 AF:0407 B2:0406 B3:0456 B4:0491 B8:0451 \
                  B9:2116 BA:0454 BC:0458 BD:0405 BE:0455 BF:0457 C0-FF:0410",
    },
    SingleByte {
        name: "windows-1252",
        aliases: "cp1252 cp5348 ibm-1252 ibm1252",
        letters: "80:20AC 81:- 82:201A 83:0192 84:201E 85:2026 86-87:2020 88:02C6 89:2030 8A:0160 \
                  8B:2039 8C:0152 8D:- 8E:017D 8F-90:- 91-92:2018 93-94:201C 95:2022 96-97:2013 \
                  98:02DC 99:2122 9A:0161 9B:203A 9C:0153 9D:- 9E:017E 9F:0178",
    },
    SingleByte {
        name: "windows-1253",
        aliases: "cp1253 cp5349",
        letters: "80:20AC 81:- 82:201A 83:0192 84:201E 85:2026 86-87:2020 88:- 89:2030 8A:- 8B:2039 \
                  8C-90:- 91-92:2018 93-94:201C 95:2022 96-97:2013 98:- 99:2122 9A:- 9B:203A 9C-9F:- \
                  A1-A2:0385 AA:- AF:2015 B4:0384 B8-BA:0388 BC:038C BE-D1:038E D2:- D3-FE:03A3 FF:-",
    },
    SingleByte {
        name: "windows-1254",
        aliases: "cp1254 cp5350",
        letters: "80:20AC 81:- 82:201A 83:0192 84:201E 85:2026 86-87:2020 88:02C6 89:2030 8A:0160 \
                  8B:2039 8C:0152 8D-90:- 91-92:2018 93-94:201C 95:2022 96-97:2013 98:02DC 99:2122 \
                  9A:0161 9B:203A 9C:0153 9D-9E:- 9F:0178 D0:011E DD:0130 DE:015E F0:011F FD:0131 \
                  FE:015F",
    },
    SingleByte {
        name: "windows-1255",
        aliases: "cp1255",
        letters: "80:20AC 81:- 82:201A 83:0192 84:201E 85:2026 86-87:2020 88:02C6 89:2030 8A:- 8B:2039 \
                  8C-90:- 91-92:2018 93-94:201C 95:2022 96-97:2013 98:02DC 99:2122 9A:- 9B:203A \
                  9C-9F:- A4:20AA AA:00D7 BA:00F7 C0-C9:05B0 CA:- CB-D3:05BB D4-D8:05F0 D9-DF:- \
                  E0-FA:05D0 FB-FC:- FD-FE:200E FF:-",
    },
    SingleByte {
        name: "windows-1256",
        aliases: "cp1256",
        letters: "80:20AC 81:067E 82:201A 83:0192 84:201E 85:2026 86-87:2020 88:02C6 89:2030 8A:0679 \
                  8B:2039 8C:0152 8D:0686 8E:0698 8F:0688 90:06AF 91-92:2018 93-94:201C 95:2022 \
                  96-97:2013 98:06A9 99:2122 9A:0691 9B:203A 9C:0153 9D-9E:200C 9F:06BA A1:060C \
                  AA:06BE BA:061B BF:061F C0:06C1 C1-D6:0621 D8-DB:0637 DC-DF:0640 E1:0644 E3-E6:0645 \
                  EC-ED:0649 F0-F3:064B F5-F6:064F F8:0651 FA:0652 FD-FE:200E FF:06D2",
    },
    SingleByte {
        name: "windows-1257",
        aliases: "cp1257 cp5353",
        letters: "80:20AC 81:- 82:201A 83:- 84:201E 85:2026 86-87:2020 88:- 89:2030 8A:- 8B:2039 8C:- \
                  8D:00A8 8E:02C7 8F:00B8 90:- 91-92:2018 93-94:201C 95:2022 96-97:2013 98:- 99:2122 \
                  9A:- 9B:203A 9C:- 9D:00AF 9E:02DB 9F:- A1:- A5:- A8:00D8 AA:0156 AF:00C6 B8:00F8 \
                  BA:0157 BF:00E6 C0:0104 C1:012E C2:0100 C3:0106 C6:0118 C7:0112 C8:010C CA:0179 \
                  CB:0116 CC:0122 CD:0136 CE:012A CF:013B D0:0160 D1:0143 D2:0145 D4:014C D8:0172 \
                  D9:0141 DA:015A DB:016A DD:017B DE:017D E0:0105 E1:012F E2:0101 E3:0107 E6:0119 \
                  E7:0113 E8:010D EA:017A EB:0117 EC:0123 ED:0137 EE:012B EF:013C F0:0161 F1:0144 \
                  F2:0146 F4:014D F8:0173 F9:0142 FA:015B FB:016B FD:017C FE:017E FF:02D9",
    },
    SingleByte {
        name: "windows-1258",
        aliases: "cp1258",
        letters: "80:20AC 81:- 82:201A 83:0192 84:201E 85:2026 86-87:2020 88:02C6 89:2030 8A:- 8B:2039 \
                  8C:0152 8D-90:- 91-92:2018 93-94:201C 95:2022 96-97:2013 98:02DC 99:2122 9A:- \
                  9B:203A 9C:0153 9D-9E:- 9F:0178 C3:0102 CC:0300 D0:0110 D2:0309 D5:01A0 DD:01AF \
                  DE:0303 E3:0103 EC:0301 F0:0111 F2:0323 F5:01A1 FD:01B0 FE:20AB",
    },
    SingleByte {
        name: "x-iso-8859-11",
        aliases: "iso-8859-11 iso8859_11",
        letters: "A1-DA:0E01 DB-DE:- DF-FB:0E3F FC-FF:-",
    },
    SingleByte {
        name: "x-windows-874",
        aliases: "ms-874 ms874 windows-874",
        letters: "80:20AC 81-84:- 85:2026 86-90:- 91-92:2018 93-94:201C 95:2022 96-97:2013 98-9F:- \
                  A1-DA:0E01 DB-DE:- DF-FB:0E3F FC-FF:-",
    },
];
