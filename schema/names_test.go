package schema

import "testing"

func TestNamesBecomeGoNamesWithInitialisms(t *testing.T) {
	for name, want := range map[string]string{
		"id": "ID", "url": "URL", "api_key": "APIKey", "sku": "Sku", "placed_at": "PlacedAt", "user-id": "UserID",
		"orders_eu": "OrdersEu", "Order": "Order", "placedAt": "PlacedAt", "x1": "X1", "utf8_text": "UTF8Text",
		"a__b-": "AB", "https_url": "HTTPSURL", "ids": "Ids", "Id": "ID", "EU": "EU",
		"n/a": "NA", "1st": "1st", "größe": "Größe", "é t": "ÉT", "...": "", "": "",
	} {
		if got := goName(name); got != want {
			t.Errorf("goName(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestFileSuffixesThatGoReadsAsConstraintsAreFound(t *testing.T) {
	for name, want := range map[string]string{
		"shop": "", "shop_linux": "linux", "linux": "", "shop_orders_arm64": "arm64", "shop_test": "test",
		"shop_linux_amd64": "amd64", "shop_linux_test": "test", "shop-linux": "", "shop_linuxes": "", "shop_unix": "",
		"shop_js": "js", "shop_wasip1": "wasip1", "shop_386": "386", "test": "", "_windows": "windows", "shop_linux_eu": "",
	} {
		if got := fileSuffix(name); got != want {
			t.Errorf("fileSuffix(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestPackageNamesThatGoDoesNotTakeAreRefused(t *testing.T) {
	for name, valid := range map[string]bool{
		"shop": true, "main": true, "shop_v2": true, "Shop": true, "größe": true,
		"": false, "my-shop": false, "2shop": false, "_": false, "func": false, "shop_test": false, "a.b": false, "documentation": false,
	} {
		if got := packageNameProblem(name); (got == "") != valid {
			t.Errorf("packageNameProblem(%q) = %q, and it is valid: %v", name, got, valid)
		}
	}
}

func TestTheVariableOfAPatternBeginsWithASmallLetterOfAnyAlphabet(t *testing.T) {
	for structName, want := range map[string]string{"Order": "orderSkuPattern", "Ärger": "ärgerSkuPattern"} {
		if got := PatternVar(structName, "Sku"); got != want {
			t.Errorf("%s gives %s, want %s", structName, got, want)
		}
	}
}
